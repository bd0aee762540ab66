export { draftFlow, type FlowDraft, type ToolDefinition } from "./flow/draft.ts";
export { SessionFlow, type Observed, type ResultFlow } from "./flow/session-flow.ts";
export { loadPolicies } from "./load.ts";
export type { LoadedPolicies, PolicySet, PolicySource, PolicySummary } from "./port.ts";
