import { type Check, failedScenarios, keyOf, keysWith, type Status, scenarioOf } from "./checks.ts";

/** A check that passes directly and does not through the broker. */
export interface Difference {
  readonly check: Check;
  /** Its status through the broker; `ABSENT` if the scenario did not get to it. */
  readonly via: Status | "ABSENT";
  readonly message?: string;
  /**
   * True if the check is lost: it fails, or it is absent because its scenario failed or did not run. False for what the
   * suite itself does not hold against a server: a warning, or an optional feature that was not there to be tested.
   */
  readonly lost: boolean;
}

/** Every check that passes directly and not through the broker. */
export function compare(direct: readonly Check[], via: readonly Check[]): Difference[] {
  const byKey = new Map(via.map((check) => [keyOf(check), check]));
  const ran = new Set(via.map(scenarioOf));
  const failed = failedScenarios(via);
  const passed = keysWith(direct, "SUCCESS");
  return direct
    .filter((check) => passed.has(keyOf(check)) && byKey.get(keyOf(check))?.status !== "SUCCESS")
    .map((check) => {
      const other = byKey.get(keyOf(check));
      const scenario = scenarioOf(check);
      return {
        check,
        via: other?.status ?? "ABSENT",
        ...(other?.message !== undefined && { message: other.message }),
        lost: other ? other.status === "FAILURE" : failed.has(scenario) || !ran.has(scenario),
      };
    });
}
