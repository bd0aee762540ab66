export type { LoadedPolicies, PolicySet, PolicySource, PolicySummary } from "./port.ts";
