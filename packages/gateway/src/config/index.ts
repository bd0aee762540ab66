export { type Definition, definitionDigest } from "./definition.ts";
export { draftManifest, draftTool, type ManifestDraft, type Offer, type ToolDraft, writeManifest } from "./draft.ts";
export { childEnv } from "./environment.ts";
export { configWatchPaths, type LoadOptions, type LoadResult, loadConfig } from "./load.ts";
export { isLoopback } from "./network.ts";
export { PACK_PREFIX, type Pack, packPolicies, readPacks } from "./packs.ts";
export { acceptPins } from "./pin.ts";
export { revealAll, Secret, type Setting } from "./secret.ts";
export type {
  AccessManifest,
  AgentConfig,
  ApprovalConfig,
  BudgetConfig,
  BudgetLimits,
  BudgetRule,
  Callback,
  CodeConfig,
  Config,
  ConfigSources,
  ConnectedServer,
  Connection,
  Era,
  HttpConfig,
  HttpServer,
  LedgerConfig,
  LogLevel,
  LoopConfig,
  Manifest,
  MessageLimits,
  ModuleManifest,
  ModuleServer,
  RunBudgets,
  SandboxConfig,
  ServedConfig,
  ServerConfig,
  StdioServer,
  ToolLimits,
  ToolManifest,
} from "./types.ts";
