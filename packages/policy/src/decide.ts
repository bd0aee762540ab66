import type { CallFacts, Decision, Obligation, PolicyEffect, Principal, Reason, ToolFacts } from "@callgate/core";
import { FUEL, faultOf } from "./cel/engine.ts";
import { NO_OVERLOAD } from "./cel/fault.ts";
import type { Frame } from "./cel/frame.ts";
import type { Value } from "./cel/value.ts";
import { factOf } from "./fact-names.ts";
import type { ListFacts } from "./facts.ts";
import type { BoundRule, Rule } from "./rule.ts";

export interface BoundRules {
  readonly rules: readonly BoundRule[];
  readonly slots: number;
}

/** The rules that speak to one tool, in the order of the files. */
export interface BoundTool {
  readonly call: BoundRules;
  readonly list: BoundRules;
}

/** The fuel of a whole decision, however many rules it takes. */
const DECISION_FUEL = 2 * FUEL;

const FAILED = "a policy could not be evaluated for this call, and a policy that fails denies";

/** Whether a rule says yes; a Reason if it could not be evaluated. MUST NOT throw. */
function holds(bound: BoundRule, frame: Frame, budget: { fuel: number }): boolean | Reason {
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

const NONE: readonly never[] = Object.freeze([]);

/** What one rule made of one call. MUST NOT be shown to a model: it tells what the rule is made of. */
export interface RuleTrace {
  readonly rule: string;
  readonly effect: PolicyEffect;
  /** `not-asked`: the rule does not speak to this principal. */
  readonly result: "true" | "false" | "failed" | "not-asked";
  /** Why it failed. */
  readonly failure?: string;
  /** The facts that the condition names, by their dotted name, in its order; one that the call lacks is undefined. */
  readonly facts: readonly { readonly name: string; readonly value: unknown }[];
}

/** Every call rule of a tool by itself, each with the fuel it has when it is decided. */
export function trace(bound: BoundTool, call: CallFacts): RuleTrace[] {
  const frame = frameFor(bound.call, call);
  const budget = { fuel: DECISION_FUEL };
  return bound.call.rules.map((one): RuleTrace => {
    const { id, effect } = one.rule.document;
    const facts = one.rule.facts.map((name) => ({ name, value: factOf(call, name) }));
    if (!one.rule.appliesTo(call.principal)) return { rule: id, effect, result: "not-asked", facts: NONE };
    const outcome = holds(one, frame, budget);
    if (typeof outcome === "boolean") return { rule: id, effect, result: outcome ? "true" : "false", facts };
    return { rule: id, effect, result: "failed", failure: outcome.message, facts };
  });
}

function obligationsOf(rules: readonly Rule[]): readonly Obligation[] {
  const [only] = rules;
  if (!only) return NONE;
  return rules.length === 1 ? only.obligations : rules.flatMap((rule) => rule.obligations);
}

/** The rules that speak to one tool in one phase, and how many slots the largest needs. */
export function boundRules(rules: readonly BoundRule[]): BoundRules {
  return { rules, slots: Math.max(0, ...rules.map(({ program }) => program?.slots ?? 0)) };
}

function frameFor({ slots }: BoundRules, facts: CallFacts | ListFacts): Frame {
  return { facts, slots: new Array<Value>(slots).fill(null), fuel: 0 };
}

/** Combines the rules of a tool for one call, as PolicySet.decide promises. */
export function decide(bound: BoundTool, call: CallFacts, policies: string): Decision {
  const frame = frameFor(bound.call, call);
  const budget = { fuel: DECISION_FUEL };
  const permits: Rule[] = [];
  const asks: Rule[] = [];
  const denials: Reason[] = [];
  const errors: Reason[] = [];
  for (const one of bound.call.rules) {
    const { rule } = one;
    if (!rule.appliesTo(call.principal)) continue;
    const outcome = holds(one, frame, budget);
    if (outcome === false) continue;
    if (outcome !== true) {
      errors.push(outcome);
      // What the model is told MUST NOT say which part of the rule failed.
      denials.push({ rule: outcome.rule, message: FAILED });
    } else if (rule.document.effect === "forbid") denials.push(rule.reason);
    else if (rule.document.effect === "ask") asks.push(rule);
    else permits.push(rule);
  }

  if (denials.length > 0) return { verdict: "deny", reasons: denials, errors, obligations: NONE, policies };
  if (asks.length > 0) {
    const approver = asks.some((rule) => rule.document.approver === "operator") ? "operator" : "client";
    return {
      verdict: "hold",
      reasons: asks.map((rule) => rule.reason),
      errors,
      obligations: obligationsOf(permits),
      approver,
      policies,
    };
  }
  if (permits.length > 0) {
    return {
      verdict: "allow",
      reasons: permits.map((rule) => rule.reason),
      errors,
      obligations: obligationsOf(permits),
      policies,
    };
  }
  return { verdict: "deny", reasons: [DEFAULT_DENY], errors, obligations: NONE, policies };
}

const DEFAULT_DENY: Reason = {
  rule: "callgate/default-deny",
  message: "no policy permits this call",
  remedy: "ask an operator for a policy that permits it",
};

/** The decision when deciding itself fails. */
export function refused(policies: string): Decision {
  const reason: Reason = {
    rule: "callgate/policy-failure",
    message: "the policies could not be evaluated for this call",
  };
  return { verdict: "deny", reasons: [reason], errors: [reason], obligations: NONE, policies };
}

/** Whether no rule hides the tool. A rule that cannot be evaluated hides it. */
export function mayList(
  bound: BoundTool,
  principal: Principal & { readonly scopes: readonly string[] },
  tool: ToolFacts,
): boolean {
  if (bound.list.rules.length === 0) return true;
  const frame = frameFor(bound.list, { principal, tool });
  const budget = { fuel: DECISION_FUEL };
  return bound.list.rules.every((one) => !one.rule.appliesTo(principal) || holds(one, frame, budget) === false);
}
