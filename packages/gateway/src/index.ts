export { type Approval, type ApprovalStatus, ApprovalStore } from "./approvals.ts";
export {
  draftModule,
  type ModuleRegistration,
  type ModuleTool,
  type ModuleToolState,
  writeModule,
} from "./authoring/register.ts";
export { scaffoldModule } from "./authoring/scaffold.ts";
export { type OpenedModule, openModule } from "./authoring/test-module.ts";
export type { Tried } from "./authoring/try.ts";
export { audienceOf, Broker } from "./broker.ts";
export {
  type Config,
  configWatchPaths,
  loadConfig,
  PACK_PREFIX,
  type Pack,
  packPolicies,
  readPacks,
} from "./config/index.ts";
export { nearest } from "./config/suggest.ts";
export { type Examination, examine } from "./doctor/doctor.ts";
export type { Checkup, Health } from "./doctor/finding.ts";
export { type HttpFace, openHttpFace } from "./face/http.ts";
export { serveStdioFace } from "./face/stdio.ts";
export { openSigningKey } from "./identity/keys.ts";
export { issueToken } from "./identity/token.ts";
export { IDENTITY } from "./identity.ts";
export { openLog } from "./log.ts";
export { changedFields } from "./pins.ts";
export { watchConfig } from "./reload.ts";
export { toolsForCode } from "./sandboxed/catalogue.ts";
export { guestAnswer, NO_OBJECT, refusedAnswer } from "./sandboxed/inner-call.ts";
export { argumentsOf } from "./sandboxed/plan-text.ts";
export { scriptBudgets } from "./sandboxed/script-budgets.ts";
export { dataFolderOf } from "./setup/data-folder.ts";
export { fileKeyOf } from "./setup/file-key.ts";
export { acceptCompared, comparePins, type PinnedTool, type PinState } from "./setup/pin.ts";
export { printable, printableLines } from "./setup/printable.ts";
export {
  draftRegistration,
  type RegisterMode,
  type Registration,
  scopesOf,
  writeRegistration,
} from "./setup/register.ts";
export { type UnwrapReport, unwrapClient } from "./setup/unwrap.ts";
export type { LeftOut } from "./setup/usable.ts";
export { type Launcher, type WrappedEntry, type WrapReport, wrapClient } from "./setup/wrap.ts";
export { toolFactsOf } from "./tool-facts.ts";
