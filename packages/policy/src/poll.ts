import type { CallFacts, Reason } from "@callgate/core";
import { FUEL, faultOf } from "./cel/engine.ts";
import { NO_OVERLOAD } from "./cel/fault.ts";
import type { Frame } from "./cel/frame.ts";
import type { Value } from "./cel/value.ts";
import type { ListFacts, ReturnedFacts } from "./facts.ts";
import type { BoundRule, Rule } from "./rule.ts";

/** The rules that speak to one tool in one phase, in the order of the files. */
export interface BoundRules {
  readonly rules: readonly BoundRule[];
  /** How many slots the largest needs. */
  readonly slots: number;
  /** Whether any of them is not enforced, for anyone. */
  readonly onTrial: boolean;
}

export function boundRules(rules: readonly BoundRule[]): BoundRules {
  return {
    rules,
    slots: Math.max(0, ...rules.map(({ program }) => program?.slots ?? 0)),
    onTrial: rules.some(({ rule }) => !rule.isEnforced),
  };
}

/** The fuel of a whole decision, however many rules it takes. */
export const DECISION_FUEL = 2 * FUEL;

export function frameFor({ slots }: BoundRules, facts: CallFacts | ListFacts | ReturnedFacts): Frame {
  return { facts, slots: new Array<Value>(slots).fill(null), fuel: 0 };
}

/** Whether a rule says yes; a Reason if it could not be evaluated. MUST NOT throw. */
export function holds(bound: BoundRule, frame: Frame, budget: { fuel: number }): boolean | Reason {
  if (bound.broken !== undefined) return { rule: bound.rule.document.id, message: bound.broken };
  if (!bound.program) return true;
  const allowed = Math.min(FUEL, budget.fuel);
  frame.fuel = allowed;
  try {
    const value = bound.program.code(frame);
    budget.fuel -= allowed - frame.fuel;
    if (typeof value === "boolean") return value;
    return { rule: bound.rule.document.id, message: NO_OVERLOAD.message };
  } catch (error) {
    budget.fuel -= allowed - Math.max(0, frame.fuel);
    return { rule: bound.rule.document.id, message: faultOf(error).message };
  }
}

/** What the rules that held or failed say, each list in the order of the files. */
export class Voices {
  readonly permits: Rule[] = [];
  readonly asks: Rule[] = [];
  /** Of rules that forbid, and of rules that failed. */
  readonly denials: Reason[] = [];
  readonly errors: Reason[] = [];

  /** `failed` is what the model is told of a rule that failed: it MUST NOT say which part of it. */
  add(rule: Rule, said: true | Reason, failed: string): void {
    if (said !== true) {
      this.errors.push(said);
      this.denials.push({ rule: said.rule, message: failed });
    } else if (rule.document.effect === "forbid") this.denials.push(rule.reason);
    else if (rule.document.effect === "ask") this.asks.push(rule);
    else this.permits.push(rule);
  }
}

/** What the rules said of one call or result. */
export interface Poll {
  readonly live: Voices;
  /** With the rules in `shadow` among them; absent where no rule is on trial. */
  readonly shadow: Voices | undefined;
  /** Ids of rules in `observe` that held or failed. */
  readonly observed: readonly string[];
}

/** Asks every rule that speaks to the principal. Those on trial have fuel of their own: they MUST NOT starve the others. */
export function poll(bound: BoundRules, facts: CallFacts | ReturnedFacts, failed: string): Poll {
  const frame = frameFor(bound, facts);
  const budget = { fuel: DECISION_FUEL };
  const live = new Voices();
  const shadow = bound.onTrial ? new Voices() : undefined;
  const spare = { fuel: shadow ? DECISION_FUEL : 0 };
  const observed: string[] = [];
  for (const one of bound.rules) {
    const { rule } = one;
    if (!rule.appliesTo(facts.principal)) continue;
    const mode = shadow ? rule.modeFor(facts.principal.agent) : "enforce";
    const said = holds(one, frame, mode === "enforce" ? budget : spare);
    if (said === false) continue;
    if (mode === "observe") {
      observed.push(rule.document.id);
      continue;
    }
    if (mode === "enforce") live.add(rule, said, failed);
    shadow?.add(rule, said, failed);
  }
  return { live, shadow, observed };
}

/** What a trial showed, if anything: `live` is the decision that counts, `shadowed` makes the one with the `shadow` rules enforced. */
export function trialOf<V extends string>(
  { shadow, observed }: Poll,
  live: { readonly verdict: V; readonly rules: readonly string[] },
  shadowed: (voices: Voices) => { readonly verdict: V; readonly rules: readonly string[] },
):
  | {
      readonly observed: readonly string[];
      readonly shadow?: { readonly verdict: V; readonly rules: readonly string[] };
    }
  | undefined {
  if (!shadow) return undefined;
  const other = shadowed(shadow);
  const same =
    other.verdict === live.verdict &&
    other.rules.length === live.rules.length &&
    other.rules.every((rule, i) => rule === live.rules[i]);
  if (same && observed.length === 0) return undefined;
  return same ? { observed } : { observed, shadow: other };
}
