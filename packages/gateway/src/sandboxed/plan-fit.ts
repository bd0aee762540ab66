import type { Plan } from "@callgate/sandbox";
import type { Registered } from "../registry.ts";

/** In which way a call is not in a plan; undefined if it is. */
export function beyond(plan: Plan, tool: Registered, args: unknown): string | undefined {
  const sites = plan.calls.filter((call) => call.server === tool.server && call.name === tool.name);
  if (sites.length === 0) return `\`${tool.qualified}\` is not in the approved plan`;
  const given = (typeof args === "object" && args !== null ? args : {}) as Record<string, unknown>;
  const fits = sites.some(({ literals }) =>
    Object.entries(literals).every(([name, value]) => Object.hasOwn(given, name) && given[name] === value),
  );
  return fits ? undefined : `the arguments of \`${tool.qualified}\` are not those of the approved plan`;
}
