import type { ToolFacts } from "@callgate/core";
import type { Studied } from "./condition.ts";
import { type Formula, truthOf } from "./formula.ts";
import { statesOf } from "./states.ts";
import type { Truth } from "./truth.ts";

/** How many shapes of tools are looked at before nothing is said. */
const MAX_SHAPES = 64;

/**
 * The tools for whose schemas a policy has to be looked at: one of each shape, and one of unknown shape where its globs may match tools
 * that nobody knows yet. Undefined if there are too many.
 */
export function shapesFor(
  { rule, document }: Studied,
  tools: readonly ToolFacts[],
): readonly (ToolFacts | undefined)[] | undefined {
  if (!document.when) return [undefined];
  const matched = tools.filter((tool) => rule.matchesTool(tool.qualified));
  const shapes = new Map(matched.map((tool) => [JSON.stringify([tool.inputSchema, tool.outputSchema]), tool]));
  const open = matched.length === 0 || document.tools.some(({ glob }) => /[*?/]/.test(glob));
  if (shapes.size > MAX_SHAPES) return undefined;
  return open ? [undefined, ...shapes.values()] : [...shapes.values()];
}

/** Whether `says` is so in every state of the formulas, given their truths. False if that cannot be told. */
export function always(formulas: readonly Formula[], says: (...truths: Truth[]) => boolean): boolean {
  const states = statesOf(formulas);
  if (!states) return false;
  for (const truths of states) if (!says(...formulas.map((formula) => truthOf(formula, truths)))) return false;
  return true;
}

/** The same for a policy's condition, whatever tool it is asked about. */
export function alwaysOf(
  studied: Studied,
  shapes: readonly (ToolFacts | undefined)[] | undefined,
  says: (truth: Truth) => boolean,
): boolean {
  return shapes?.every((tool) => always([studied.formula(tool, {})], says)) === true;
}
