import { stringifyJson } from "@callgate/core";
import type { Plan } from "@callgate/sandbox";

const MOST_CALLS = 40;
const LONGEST_VALUE = 200;

/** What a script can do, for the person who approves it: each place that calls a tool, with the arguments that stand there. */
export function planText({ calls, complete }: Plan): string {
  const shown = calls.slice(0, MOST_CALLS).map(({ server, name, literals, line }) => {
    const args = Object.entries(literals).map(([key, value]) => `${key}: ${said(value)}`);
    return `${server}__${name}(${args.join(", ")}) in line ${line}`;
  });
  if (calls.length > MOST_CALLS) shown.push(`${calls.length - MOST_CALLS} more`);
  const list = shown.length === 0 ? "no tool" : shown.join(", ");
  return complete
    ? `the script can call ${list}`
    : `the script calls ${list}; it also uses tools in a way that cannot be read from its text, which would be refused`;
}

function said(value: unknown): string {
  const text = stringifyJson(value) ?? String(value);
  return text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE)}…` : text;
}
