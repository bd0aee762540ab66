/** The suites' own words. A scenario passes if none of its checks is a FAILURE. */
export type Status = "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";

/** One thing that a scenario looked at. */
export interface Check {
  /** Version of the suite. */
  readonly suite: string;
  /** Revision of the protocol that was spoken. */
  readonly revision: string;
  readonly scenario: string;
  /** `<id>#<n>`: the suites use one id for several checks of a scenario, always in the same order. */
  readonly id: string;
  readonly status: Status;
  /** What the suite says about a check that did not pass. */
  readonly message?: string;
  /** True if the revision's own list of requirements names the scenario. */
  readonly required: boolean;
}

/** Names a check across runs. */
export function keyOf(check: Check): string {
  return `${check.suite} ${check.revision} ${check.scenario} ${check.id}`;
}

/** Names a scenario across runs. */
export function scenarioOf(check: Check): string {
  return `${check.suite} ${check.revision} ${check.scenario}`;
}

/** The keys of the checks with this status. */
export function keysWith(checks: readonly Check[], status: Status): Set<string> {
  return new Set(checks.filter((check) => check.status === status).map(keyOf));
}

/** The scenarios that have a failing check. */
export function failedScenarios(checks: readonly Check[]): Set<string> {
  return new Set(checks.filter((check) => check.status === "FAILURE").map(scenarioOf));
}
