export type { RuleTrace } from "./decide.ts";
export { draftFlow, type FlowDraft, type ToolDefinition } from "./flow/draft.ts";
export { type Observed, type ResultFlow, SessionFlow } from "./flow/session-flow.ts";
export { loadPolicies } from "./load.ts";
export type { LoadedPolicies, LoadedSet, PolicySet, PolicySource, PolicySummary } from "./port.ts";
export { CASE_FILE, type PolicyCase, readCall, readCases } from "./tools/cases.ts";
export { junitOf } from "./tools/junit.ts";
export { type Recorded, recordedCall } from "./tools/recorded.ts";
export { type CaseResult, runCases, type TestReport } from "./tools/run-cases.ts";
