import { qualifiedName, SERVER_NAME, stringifyJson, TOOL_NAME } from "@callgate/core";
import type { Plan, PlannedCall } from "@callgate/sandbox";
import { printableLines } from "../setup/printable.ts";
import { runsScripts } from "./plan-fit.ts";

/** What a person is asked to read: places that call tools, and characters of all that is said of them. */
const MOST_CALLS = 100;
const LONGEST = 8_000;

/** A plan as a person reads it, or in which way it is more than they would read. */
export type ShownPlan = { readonly text: string } | { readonly tooMuch: string };

/**
 * What a script can do, for the person who approves it: a line for each place that calls a tool, with all the arguments that stand there.
 * `exists` says whether the script has a tool of this name. What stands in the script MUST NOT pass for words of the broker's: names that
 * are none are quoted as JSON. The text is safe to print. Nothing is left out: what is too much is refused, not cut.
 */
export function planText({ calls, complete }: Plan, exists: (qualified: string) => boolean): ShownPlan {
  if (calls.length > MOST_CALLS)
    return { tooMuch: `calls tools in ${calls.length} places, and ${MOST_CALLS} are shown at most` };
  const lines = calls.map((call) => `line ${call.line}: ${toolOf(call)}(${argumentsOf(call)})${markOf(call, exists)}`);
  const head = calls.length === 0 ? "the script calls no tool" : "the script can call:";
  const tail = complete
    ? []
    : ["it also uses tools in a way that cannot be read from its text; such calls are refused"];
  const text = printableLines([head, ...lines, ...tail].join("\n"));
  return text.length > LONGEST
    ? { tooMuch: `takes ${text.length} characters to show, and ${LONGEST} are shown at most` }
    : { text };
}

function isName({ server, name }: PlannedCall): boolean {
  return SERVER_NAME.test(server) && TOOL_NAME.test(name);
}

function toolOf(call: PlannedCall): string {
  const qualified = qualifiedName("prefixed", call.server, call.name);
  return isName(call) ? qualified : stringifyJson(qualified);
}

function markOf(call: PlannedCall, exists: (qualified: string) => boolean): string {
  if (!isName(call) || !exists(qualifiedName("prefixed", call.server, call.name))) return " (no such tool)";
  return runsScripts(call) ? " (refused: a script that was approved runs no other script)" : "";
}

/** The arguments of a place that calls a tool: those that stand there, `…` for those that are computed, `...` where there may be others. */
export function argumentsOf({ literals, computed, open }: Pick<PlannedCall, "literals" | "computed" | "open">): string {
  const shown = Object.entries(literals).map(([name, value]) => `${nameOf(name)}: ${stringifyJson(value)}`);
  return [...shown, ...computed.map((name) => `${nameOf(name)}: …`), ...(open ? ["..."] : [])].join(", ");
}

const PLAIN = /^[a-zA-Z_$][\w$]*$/;

function nameOf(argument: string): string {
  return PLAIN.test(argument) ? argument : stringifyJson(argument);
}
