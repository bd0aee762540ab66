import { printable } from "@callgate/gateway";
import type { PolicySummary, RolloutReport, TrialCounts } from "@callgate/policy";
import { table } from "../output.ts";
import { counted } from "./progress.ts";
import { exampleLines } from "./simulation.ts";

/** What policies on trial did, for people. `silent`: those of the configuration that no record names. Safe to print. */
export function rolloutLines(report: RolloutReport, silent: readonly Pick<PolicySummary, "id">[]): string[] {
  const { calls, results, observed, differences } = report;
  return [
    ...section(
      "observed: held, or failed, without effect",
      ["count", "rule", "tool"],
      observed.map((group) => ({ ...group, row: [counted(group.calls), group.rule, group.tool] })),
    ),
    ...section(
      "shadow: what would have been decided otherwise",
      ["count", "tool", "was", "would be", "by"],
      differences.map((group) => ({
        ...group,
        row: [counted(group.calls), group.tool, group.was, group.now, group.rules.join(", ")],
      })),
    ),
    ...(silent.length > 0 ? [`on trial, with nothing to show yet: ${silent.map(({ id }) => id).join(", ")}`, ""] : []),
    summary(calls, calls.decided === 1 ? "call" : "calls"),
    ...(results.decided > 0 ? [summary(results, results.decided === 1 ? "result" : "results")] : []),
  ];
}

function section(
  title: string,
  head: readonly string[],
  groups: readonly { readonly row: readonly string[]; readonly examples: Parameters<typeof exampleLines>[0] }[],
): string[] {
  if (groups.length === 0) return [];
  const [titles, ...lines] = table(
    head,
    groups.map(({ row }) => row.map(printable)),
  ).split("\n") as [string, ...string[]];
  const rows = lines.flatMap((line, i) => [`  ${line}`, ...exampleLines(groups[i]?.examples ?? [])]);
  return [`${title}:`, `  ${titles}`, ...rows, ""];
}

function summary({ decided, observed, differing, otherRules, same }: TrialCounts, what: string): string {
  return [
    `${counted(decided)} ${what}: ${counted(observed)} observed`,
    `shadow: ${counted(differing)} differing, ${counted(otherRules)} the same by other rules, ${counted(same)} no difference`,
  ].join("; ");
}
