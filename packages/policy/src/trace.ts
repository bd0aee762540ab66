import type { CallFacts, PolicyEffect } from "@callgate/core";
import { factOf } from "./fact-names.ts";
import type { ListFacts, ReturnedFacts } from "./facts.ts";
import { type BoundRules, DECISION_FUEL, frameFor, holds } from "./poll.ts";

/** What one rule made of one call, listing or result. MUST NOT be shown to a model: it tells what the rule is made of. */
export interface RuleTrace {
  readonly rule: string;
  readonly effect: PolicyEffect;
  /** How it counts for this principal; absent if it is enforced. */
  readonly mode?: "observe" | "shadow";
  /** `not-asked`: the rule does not speak to this principal. */
  readonly result: "true" | "false" | "failed" | "not-asked";
  /** Why it failed. */
  readonly failure?: string;
  /** The facts that the condition names, by their dotted name, in its order; one that the call lacks is undefined. */
  readonly facts: readonly { readonly name: string; readonly value: unknown }[];
}

/** Every rule of a tool and a phase by itself, each with the fuel it has when it is decided. */
export function trace(bound: BoundRules, given: CallFacts | ListFacts | ReturnedFacts): RuleTrace[] {
  const frame = frameFor(bound, given);
  const budget = { fuel: DECISION_FUEL };
  const spare = { fuel: DECISION_FUEL };
  return bound.rules.map((one): RuleTrace => {
    const { id, effect } = one.rule.document;
    const mode = one.rule.modeFor(given.principal.agent);
    const head = { rule: id, effect, ...(mode !== "enforce" && { mode }) };
    if (!one.rule.appliesTo(given.principal)) return { ...head, result: "not-asked", facts: [] };
    const told = { ...given, settings: one.rule.settings.read(undefined) };
    const facts = one.rule.facts.map((name) => ({ name, value: factOf(told, name) }));
    const outcome = holds(one, frame, mode === "enforce" ? budget : spare);
    if (typeof outcome === "boolean") return { ...head, result: outcome ? "true" : "false", facts };
    return { ...head, result: "failed", failure: outcome.message, facts };
  });
}
