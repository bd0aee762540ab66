import { printable } from "@callgate/gateway";
import { CHANGES, type Example, type SimulationReport } from "@callgate/policy";
import { table } from "../output.ts";
import { counted } from "./progress.ts";

/** What a candidate would have changed, for people. `records`: how many were gone through. Safe to print. */
export function simulationLines(report: SimulationReport, records: number): string[] {
  const { candidate, recorded, changes, calls, groups, unchanged, refused, unreplayable } = report;
  const sets = [
    `candidate  ${candidate}`,
    ...recorded.map(({ policies, calls: n }, i) => {
      const same = policies === candidate ? ", the candidate itself" : "";
      return `${i === 0 ? "recorded" : "        "}   ${printable(policies)}  (${callsText(n)}${same})`;
    }),
  ];
  const changed = CHANGES.flatMap((change) => {
    const these = groups.filter((group) => group.change === change);
    if (these.length === 0) return [];
    const rows = these.map(({ was, rules, tool, calls: n }) => [counted(n), tool, was, rules.join(", ")]);
    const head = ["calls", "tool", "was", change === "allowed" ? "by" : "now by"];
    const [titles, ...lines] = table(head, rows.map(safe)).split("\n") as [string, ...string[]];
    return [
      "",
      `newly ${change}:`,
      `  ${titles}`,
      ...lines.flatMap((line, i) => [`  ${line}`, ...exampleLines(these[i]?.examples ?? [])]),
    ];
  });
  const parts = [
    ...CHANGES.map((change) => `${counted(changes[change])} newly ${change}`),
    `${counted(unchanged)} unchanged`,
  ];
  return [
    ...sets,
    ...changed,
    "",
    `${callsText(calls)} in ${counted(records)} records: ${parts.join(", ")}`,
    ...apart(
      refused,
      "refused by the broker itself",
      report.refusals.map(({ rule, calls: n }) => [rule, n]),
    ),
    ...apart(
      unreplayable,
      "not to be decided again",
      report.unreplayed.map(({ reason, calls: n }) => [reason, n]),
    ),
  ];
}

/** The records that stand for a group, one a line. */
export function exampleLines(examples: readonly Example[]): string[] {
  return examples.map(
    ({ seq, ts, agent, call }) =>
      `      #${seq}  ${printable(ts)}  ${printable(agent ?? "-")}  ${printable(call ?? "-")}`,
  );
}

export function callsText(n: number): string {
  return `${counted(n)} ${n === 1 ? "call" : "calls"}`;
}

function apart(total: number, what: string, parts: readonly (readonly [string, number])[]): string[] {
  if (total === 0) return [];
  return [`${counted(total)} ${what}:`, ...parts.map(([text, n]) => `  ${counted(n)}  ${printable(text)}`)];
}

function safe(row: readonly string[]): string[] {
  return row.map(printable);
}
