export type { BudgetFacts, CallFacts, LoopFacts, ResultFacts, ScriptFacts, SessionFacts } from "./call.ts";
export { canonicalJson, type Digest, digestOf, digestOfJson } from "./canonical.ts";
export type {
  Approver,
  Decision,
  Obligation,
  PolicyEffect,
  Reason,
  ResultDecision,
  Trial,
  Verdict,
} from "./decision.ts";
export { editDistance } from "./edit-distance.ts";
export { POSIX_ENV, safeEnvironment, WINDOWS_ENV } from "./environment.ts";
export { CallgateError, type Diagnostic, formatDiagnostic, messageOf, type Span } from "./error.ts";
export { exactNumber, holdsBigInt, parseJson, roundedJson, stringifyJson, writableJson } from "./exact-json.ts";
export { type ArgumentRole, type FlowFacts, ROLES } from "./flow.ts";
export { newId } from "./id.ts";
export { isObject, type JsonObject, type JsonValue, jsonDepth } from "./json.ts";
export { compileGlobs, type Naming, qualifiedName, SERVER_NAME, TOOL_NAME } from "./naming.ts";
export { type Grant, type Principal, SCOPE_TOKEN } from "./principal.ts";
export {
  type LedgerRecord,
  type OutcomeStatus,
  RECORD_KINDS,
  type RecordDigest,
  type RecordDraft,
  type RecordKind,
} from "./record.ts";
export { EFFECTS, LABELS, type Label, type Operation, type ToolEffect, type ToolFacts } from "./tool.ts";
