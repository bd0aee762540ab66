import type { CallFacts, Decision, Obligation, Principal, Reason, ToolFacts } from "@callgate/core";
import { type BoundRules, DECISION_FUEL, frameFor, holds, poll, trialOf, type Voices } from "./poll.ts";
import type { Rule } from "./rule.ts";

/** The rules that speak to one tool, by phase. */
export interface BoundTool {
  readonly call: BoundRules;
  readonly list: BoundRules;
  readonly result: BoundRules;
  /** Whether a rule about its calls asks where values came from. */
  readonly readsFlow: boolean;
  readonly readsLabels: boolean;
}

const FAILED = "a policy could not be evaluated for this call, and a policy that fails denies";
const NONE: readonly never[] = Object.freeze([]);

/** Combines the rules of a tool for one call, as PolicySet.decide promises. */
export function decide(bound: BoundTool, call: CallFacts, policies: string): Decision {
  const polled = poll(bound.call, call, FAILED);
  const decision = combine(polled.live, policies);
  if (!polled.shadow) return decision;
  const trial = trialOf(polled, told(decision), (voices) => told(combine(voices, policies)));
  return trial ? { ...decision, trial } : decision;
}

function told({ verdict, reasons }: Decision): { verdict: Decision["verdict"]; rules: string[] } {
  return { verdict, rules: reasons.map((reason) => reason.rule) };
}

function combine({ permits, asks, denials, errors }: Voices, policies: string): Decision {
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

function obligationsOf(rules: readonly Rule[]): readonly Obligation[] {
  const [only] = rules;
  if (!only) return NONE;
  return rules.length === 1 ? only.obligations : rules.flatMap((rule) => rule.obligations);
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
