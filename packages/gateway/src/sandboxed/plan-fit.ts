import { canonicalJson, isObject } from "@callgate/core";
import type { Plan, PlannedCall } from "@callgate/sandbox";
import { OWN_SERVER } from "../config/names.ts";
import type { Registered } from "../registry.ts";

/**
 * In which way a call is not in a plan that a person approved; undefined if it is. It is if one of the places that the plan shows can make
 * it: with every argument that stands there, equal as JSON, and with no other than those that are named there. A script that was approved
 * runs no other script, whatever it shows: nobody has seen what that one would do.
 */
export function beyond(
  plan: Plan,
  tool: Pick<Registered, "server" | "name" | "qualified">,
  args: unknown,
): string | undefined {
  if (runsScripts(tool)) return "a script that was approved runs no other script";
  const sites = plan.calls.filter((call) => call.server === tool.server && call.name === tool.name);
  if (sites.length === 0) return `\`${tool.qualified}\` is not in the approved plan`;
  const given = isObject(args) ? args : {};
  const texts = new Map<string, string | undefined>();
  const textOf = (name: string): string | undefined => {
    if (!texts.has(name)) texts.set(name, canonical(given[name]));
    return texts.get(name);
  };
  return sites.some((site) => fits(site, given, textOf))
    ? undefined
    : `the arguments of \`${tool.qualified}\` are not those of the approved plan`;
}

/** Whether a tool runs scripts, which an approved script cannot. */
export function runsScripts({ server, name }: { readonly server: string; readonly name: string }): boolean {
  return server === OWN_SERVER && name === "run_code";
}

function fits(
  { literals, computed, open }: PlannedCall,
  given: Readonly<Record<string, unknown>>,
  textOf: (name: string) => string | undefined,
): boolean {
  if (!open && !Object.keys(given).every((name) => Object.hasOwn(literals, name) || computed.includes(name)))
    return false;
  return Object.entries(literals).every(
    ([name, value]) => Object.hasOwn(given, name) && textOf(name) === canonicalJson(value),
  );
}

/** Undefined for what has no canonical form, which is equal to nothing. */
function canonical(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    return undefined;
  }
}
