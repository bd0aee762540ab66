import { printable } from "@callgate/gateway";
import type { Reach, ReachRule } from "@callgate/policy";
import { table } from "../output.ts";

/** Tools by agents, one word for each. Safe to print. */
export function reachTable(all: readonly Reach[]): string[] {
  const agents = [...new Set(all.map(({ agent }) => agent))];
  const rows = [...Map.groupBy(all, ({ tool }) => tool)].map(([tool, these]) => [
    printable(tool),
    ...agents.map((agent) => {
      const one = these.find((reach) => reach.agent === agent);
      return one ? word(one) : "";
    }),
  ]);
  return [
    table(["tool", ...agents.map(printable)], rows),
    "",
    "always, ask, if, never: what the policies say; no scope: a scope is missing; (hidden), (may be hidden): from lists",
    "`callgate policy reach <tool>` tells what it depends on",
  ];
}

function word({ missing, policies, listed }: Reach): string {
  if (missing.length > 0) return "no scope";
  return `${policies}${listed === "no" ? " (hidden)" : listed === "if" ? " (may be hidden)" : ""}`;
}

/** Each agent and tool with what its answer depends on. Safe to print. */
export function reachLines(all: readonly Reach[]): string[] {
  return all.flatMap(({ agent, tool, missing, listed, hiding, policies, rules }) => [
    `${printable(agent)}  ${printable(tool)}`,
    `  scopes    ${missing.length === 0 ? "held" : `missing: ${missing.map(printable).join(", ")}`}`,
    `  lists     ${shown(listed, missing.length > 0)}`,
    ...hiding.map(ruleLine),
    `  policies  ${saying(policies, rules)}`,
    ...rules.map(ruleLine),
  ]);
}

function shown(listed: Reach["listed"], scopeless: boolean): string {
  if (scopeless) return "not shown, for want of scopes";
  return { yes: "shown", no: "hidden", if: "shown unless hidden" }[listed];
}

function saying(policies: Reach["policies"], rules: readonly ReachRule[]): string {
  if (policies === "never") return rules.length === 0 ? "never: no policy permits it" : "never";
  return { always: "always", ask: "ask: never without a person", if: "if: it depends on the call" }[policies];
}

function ruleLine({ rule, effect, when }: ReachRule): string {
  return `    ${effect} \`${rule}\`${when === undefined ? "" : ` when ${printable(when)}`}`;
}
