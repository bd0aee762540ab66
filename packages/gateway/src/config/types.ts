import type { ArgumentRole, Digest, Label, Naming, ToolEffect } from "@callgate/core";
import type { AnchorTarget, Keep } from "@callgate/ledger";
import type { PolicySettings, PolicySource, ResultFlow } from "@callgate/policy";
import type { RedactRule } from "../record-redaction.ts";
import type { Secret, Setting } from "./secret.ts";

/**
 * A validated configuration: deeply frozen, every path absolute, every name resolved, every duration in milliseconds and
 * every size in bytes. Records have no prototype, so that a name such as `constructor` is only there if it was written.
 */
export interface Config {
  /** The configuration file. */
  readonly file: string;
  /** The folder of the configuration file; what relative paths in it start from. */
  readonly dir: string;
  /** Digest of everything in force, policies and manifests included. MUST NOT depend on the text of a secret. */
  readonly digest: Digest;
  readonly naming: Naming;
  /** The data folder. It may not exist yet. */
  readonly data: string;
  readonly http: HttpConfig;
  /** Who calls over the stdio face; absent if the broker has none. */
  readonly stdio?: { readonly agent: string };
  readonly limits: MessageLimits;
  readonly servers: Readonly<Record<string, ServerConfig>>;
  readonly agents: Readonly<Record<string, AgentConfig>>;
  readonly policies: readonly PolicySource[];
  /** What policies read as `settings`. */
  readonly settings: PolicySettings;
  readonly budgets: BudgetConfig;
  readonly sandbox: SandboxConfig;
  /** Absent: agents cannot run scripts. */
  readonly code?: CodeConfig;
  readonly loop: LoopConfig;
  readonly approvals: ApprovalConfig;
  readonly flow: FlowConfig;
  readonly ledger: LedgerConfig;
  readonly log: { readonly level: LogLevel };
  /** Every secret that the configuration holds, for redaction. */
  readonly secrets: readonly Secret[];
  /** What the configuration was read from. See `configWatchPaths`. */
  readonly sources: ConfigSources;
}

/** Absolute paths of what was read. `folders` are those in which a policy pattern may find a new file. */
export interface ConfigSources {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

export interface HttpConfig {
  readonly host: string;
  /** 0 lets the operating system choose. */
  readonly port: number;
  readonly path: string;
  /** Host header values accepted beside the broker's own address. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** The agent that a caller without a token is. Present only if `host` is a loopback address. */
  readonly anonymous?: string;
}

/** Ceilings on one message. `depth` counts nested arrays and objects. */
export interface MessageLimits {
  readonly bodyBytes: number;
  readonly depth: number;
  readonly stringBytes: number;
  readonly argumentBytes: number;
  readonly resultBytes: number;
}

export type Era = "auto" | "legacy" | "modern";

/**
 * Who shares an upstream connection. `auto` in the file becomes `session` where the manifest declares callbacks, so that a
 * callback can only reach the session that caused it, and `shared` elsewhere.
 */
export type Connection = "shared" | "principal" | "session";

/** What the life of a call knows of a server, wherever its tools run. */
export interface ServedConfig {
  readonly name: string;
  readonly era: Era;
  readonly connection: Connection;
  /** How long one call may take, in milliseconds. */
  readonly timeout: number;
  readonly manifest: Manifest;
}

/** A server that the broker starts and speaks to over stdin and stdout. */
export interface StdioServer extends ServedConfig {
  readonly transport: "stdio";
  readonly command: string;
  readonly args: readonly string[];
  /** The only variables that the child gets, beside those that programs need to start. */
  readonly env: Readonly<Record<string, Setting>>;
  readonly cwd: string;
}

/** A server reached over streamable HTTP. */
export interface HttpServer extends ServedConfig {
  readonly transport: "http";
  readonly url: string;
  readonly headers: Readonly<Record<string, Setting>>;
}

/** Tools that run here, in the sandbox: one bundled ES module. */
export interface ModuleServer extends ServedConfig {
  readonly transport: "module";
  /** The bundle, whose bytes have the digest that the manifest pins. */
  readonly file: string;
  readonly module: ModuleManifest;
  /** Headers that are added to what it fetches, by host as its manifest names it. */
  readonly fetchHeaders: Readonly<Record<string, Readonly<Record<string, Setting>>>>;
}

/** A server that is reached over a connection. */
export type ConnectedServer = StdioServer | HttpServer;

export type ServerConfig = ConnectedServer | ModuleServer;

/** What a sandboxed module may do, as a person declared it. */
export interface ModuleManifest {
  /** Digest of the bundle's bytes. */
  readonly digest: Digest;
  /** Hosts that it may fetch from, as `host` or `host:port`; `*.` in front stands for any name below. None: it cannot fetch. */
  readonly hosts: readonly string[];
  /** Globs over the tools that it may call with its caller's grant. */
  readonly calls: readonly string[];
  /** What its fetches need and bring. */
  readonly fetch: AccessManifest;
  readonly budgets: RunBudgets;
}

/**
 * Ceilings of one run in the sandbox: times in milliseconds, sizes in bytes. A budget that is Infinity is no ceiling.
 * `depth` counts runs inside runs: 1 is a run that no other run called.
 */
export interface RunBudgets {
  readonly cpu: number;
  readonly wall: number;
  readonly heap: number;
  readonly rss: number;
  readonly calls: number;
  readonly callsPerTool: Readonly<Record<string, number>>;
  readonly concurrent: number;
  readonly writes: number;
  readonly destructive: number;
  readonly cost: number;
  readonly depth: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly logBytes: number;
  readonly logLines: number;
}

/** The worker processes that run untrusted code. */
export interface SandboxConfig {
  readonly workers: number;
  readonly maxWorkers: number;
  /** Layers without which nothing is run. */
  readonly require: readonly SandboxLayer[];
}

export type SandboxLayer = "isolate" | "process" | "os";

/** Scripts that agents write. */
export interface CodeConfig {
  /** Scopes that a grant needs for `run_code`. */
  readonly scopes: readonly string[];
  /** Globs over the tools that a script may call at all. */
  readonly tools: readonly string[];
  /** What agents with these scopes see in lists: all tools, or those of `code` alone. */
  readonly list: "all" | "scripts";
  readonly budgets: RunBudgets;
}

/** What a server's tools are, as a person declared them. What is not in it is not reachable. */
export interface Manifest {
  readonly file: string;
  readonly server: string;
  readonly tools: Readonly<Record<string, ToolManifest>>;
  /** Absent: the server's resources are not reachable. */
  readonly resources?: AccessManifest;
  /** Absent: the server's prompts are not reachable. */
  readonly prompts?: AccessManifest;
  /** What the server may ask of the client that called it. */
  readonly callbacks: readonly Callback[];
  /** Whether the server's log messages reach the client. */
  readonly logging: boolean;
  /** Present if the server is a module that runs in the sandbox. */
  readonly module?: ModuleManifest;
}

export type Callback = "elicitation" | "sampling" | "roots";

/** What reaching something needs, what it does, and what comes out of it. */
export interface AccessManifest {
  /** Scopes a grant must hold, all of them. */
  readonly scopes: readonly string[];
  readonly effects: readonly ToolEffect[];
  readonly labels: readonly Label[];
}

export interface ToolManifest extends AccessManifest {
  readonly name: string;
  readonly limits: ToolLimits;
  /** Digest of the definition that a person accepted. See `definitionDigest`. */
  readonly digest: Digest;
  /** Shown to agents in place of the server's own. */
  readonly description?: string;
  /** Which parts of a result carry its labels. */
  readonly result: ResultFlow;
  /** What its arguments are for. Absent: guessed from the definition. */
  readonly arguments?: Readonly<Record<string, ArgumentRole>>;
}

/** Ceilings on one tool. `cost` is what a call costs, in units; `wall` is in milliseconds. */
export interface ToolLimits {
  readonly cost: number;
  readonly callsPerMinute?: number;
  readonly concurrent?: number;
  readonly wall?: number;
  readonly argumentBytes?: number;
  readonly resultBytes?: number;
}

export interface AgentConfig {
  readonly name: string;
  readonly roles: readonly string[];
  /** Its own scopes and those of its roles: sorted, without repeats. */
  readonly scopes: readonly string[];
  /** Globs over the agents whose sessions it may open, beside its own. */
  readonly opens: readonly string[];
}

/** Ceilings of one budget; an absent one is no ceiling. `cost` is in units, `wall` in milliseconds a call. */
export interface BudgetLimits {
  readonly calls?: number;
  readonly callsPerMinute?: number;
  readonly cost?: number;
  readonly concurrent?: number;
  readonly wall?: number;
}

/** A budget for every name that the glob `match` fits. Each name has a budget of its own. */
export interface BudgetRule {
  readonly match: string;
  readonly limits: BudgetLimits;
}

/** Every rule that matches applies. */
export interface BudgetConfig {
  readonly session: BudgetLimits;
  readonly agents: readonly BudgetRule[];
  readonly tools: readonly BudgetRule[];
}

/** `window` is in milliseconds. */
export interface LoopConfig {
  readonly repeats: number;
  readonly window: number;
  readonly cycles: number;
}

/** Both in milliseconds. */
export interface ApprovalConfig {
  readonly ttl: number;
  readonly wait: number;
}

/** How the flow of values is watched. `memory` is in bytes for each session; `trusted` has values of any shape by the name of their source. */
export interface FlowConfig {
  readonly watch: "auto" | "always";
  readonly memory: number;
  readonly trusted: Readonly<Record<string, unknown>>;
}

export interface LedgerConfig {
  readonly sync: "full" | "normal" | "off";
  readonly payloads: boolean;
  readonly search: boolean;
  readonly anchors: readonly AnchorTarget[];
  readonly retention: { readonly segment?: number; readonly keep?: Keep };
  readonly redact: readonly RedactRule[];
  /** What checkpoints are signed with; Ed25519 is among them. */
  readonly signatures: readonly ("ed25519" | "ml-dsa-44")[];
  /** The key that all files of the data folder are encrypted with; absent if they are plain. */
  readonly encryption?: { readonly key: Secret };
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
