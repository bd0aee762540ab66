import { type Check, failedScenarios, keyOf, scenarioOf } from "./checks.ts";
import type { Difference } from "./compare.ts";

/** The figures of one pass over one target. */
export interface Row {
  readonly suite: string;
  readonly revision: string;
  readonly scenarios: string;
  readonly required: string;
  readonly checks: string;
  /** Passed checks that fail where there is nothing: the only ones that count as evidence. */
  readonly evidence: number;
  readonly warnings: number;
}

/** One row for each suite and revision: passed of all. Scenarios without a single SUCCESS or FAILURE are left out. */
export function rowsOf(checks: readonly Check[], nothing: ReadonlySet<string>): Row[] {
  const groups = Map.groupBy(checks, (check) => `${check.suite} ${check.revision}`);
  return [...groups.values()].map((group) => {
    const failed = failedScenarios(group);
    const judged = group.filter((check) => check.status === "SUCCESS" || check.status === "FAILURE");
    const passed = judged.filter((check) => check.status === "SUCCESS");
    const tally = (of: readonly Check[]) => {
      const all = new Set(of.map(scenarioOf));
      return `${[...all].filter((scenario) => !failed.has(scenario)).length}/${all.size}`;
    };
    return {
      suite: group[0]?.suite ?? "",
      revision: group[0]?.revision ?? "",
      scenarios: tally(judged),
      required: tally(judged.filter((check) => check.required)),
      checks: `${passed.length}/${judged.length}`,
      evidence: passed.filter((check) => !nothing.has(keyOf(check))).length,
      warnings: group.filter((check) => check.status === "WARNING").length,
    };
  });
}

/** The scenarios that pass although none of their passed checks is evidence. */
export function withoutEvidence(checks: readonly Check[], nothing: ReadonlySet<string>): string[] {
  const failed = failedScenarios(checks);
  const passed = checks.filter((check) => check.status === "SUCCESS" && !failed.has(scenarioOf(check)));
  const proven = new Set(passed.filter((check) => !nothing.has(keyOf(check))).map(scenarioOf));
  return [...new Set(passed.map(scenarioOf))].filter((scenario) => !proven.has(scenario));
}

/** Lines of text in columns, the heads first. */
export function tableOf(rows: readonly Row[]): string {
  const heads = ["suite", "revision", "scenarios", "required", "checks", "evidence", "warnings"] as const;
  const lines = [heads.map(String), ...rows.map((row) => heads.map((head) => String(row[head])))];
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `suite revision scenario id`, then what became of it. */
export function differenceLine({ check, via, message }: Difference): string {
  return `  ${keyOf(check)}: ${via}${message === undefined ? "" : `: ${message}`}`;
}

/** `suite revision scenario id`, then the suite's message. */
export function failureLine(check: Check): string {
  return `  ${keyOf(check)}: ${check.message ?? check.status}`;
}
