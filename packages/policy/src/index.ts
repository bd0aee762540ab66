export { loadPolicies } from "./load.ts";
export type { LoadedPolicies, PolicySet, PolicySource, PolicySummary } from "./port.ts";
