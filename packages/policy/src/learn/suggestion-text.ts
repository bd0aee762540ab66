import type { ToolFacts } from "@callgate/core";
import type { SuggestReport } from "./suggest.ts";
import { policyText, type Suggestion } from "./suggestion.ts";

/**
 * The suggested policies as a file, with where they come from in comments. Comments MUST hold numbers and names of the configuration alone:
 * what agents sent stands in `when`, as CEL literals.
 */
export function suggestionText(
  suggestions: readonly Suggestion[],
  { calls, scopes, unused }: Omit<SuggestReport, "text">,
  tools: ReadonlyMap<string, ToolFacts>,
): string {
  const head = [
    `Permits for what was done: ${counted(calls, "call")} that were made and ended well. Denied and failed ones are not learned from.`,
    "They are meant to stand in for the permits there are. Keep the policies that forbid and ask: what a person let",
    "through is permitted here without one. Read what is permitted before it is put to use.",
  ];
  const body = suggestions.map((one) => `${block(about(one, tools.get(one.habit.tool)), "  ")}${policyText(one)}`);
  const removable = scopes.filter((one) => one.removable.length > 0);
  const tail = [
    ...(removable.length > 0 ? ["Scopes that were not needed, and can be taken away:"] : []),
    ...removable.map((one) => `  ${one.agent}: ${one.removable.join(", ")}`),
    ...(unused.length > 0 ? ["Permitted so far, and never called:"] : []),
    ...unused.map((one) => `  ${one.agent}: ${one.tool}${one.policies === "always" ? "" : ` (${one.policies})`}`),
  ];
  const policies = body.length > 0 ? `policies:\n${body.join("\n")}` : "policies: []\n";
  return `${block(head, "")}${policies}${tail.length > 0 ? `\n${block(tail, "")}` : ""}`;
}

function about({ habit, bounds }: Suggestion, tool: ToolFacts | undefined): string[] {
  const { calls, first, last, examples, untrusted, approved } = habit;
  const records = calls === 1 ? `record ${first}` : `records ${first} to ${last}, such as ${examples.join(", ")}`;
  const none = habit.args.fields.size > 0 ? ["Its arguments have no bounds: too little of them recurs."] : [];
  return [
    `${counted(calls, "call")}: ${records}.`,
    ...(tool && tool.scopes.length > 0 ? [`Needs ${tool.scopes.join(", ")}.`] : []),
    ...(untrusted > 0
      ? [`${untrusted} of them in sessions that had seen untrusted content: look at these first.`]
      : []),
    ...(approved > 0 ? [`${approved} of them let through by a person.`] : []),
    ...(bounds.length === 0 ? none : []),
  ];
}

function block(lines: readonly string[], indent: string): string {
  return lines.map((line) => `${indent}# ${line}\n`).join("");
}

function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
