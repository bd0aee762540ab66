import type { CallFacts, Obligation, ResultDecision, ResultFacts } from "@callgate/core";
import type { ReturnedFacts } from "./facts.ts";
import { type BoundRules, poll, trialOf, type Voices } from "./poll.ts";

const FAILED = "a policy could not be evaluated for this result, and a policy that fails blocks it";
const NONE: readonly never[] = Object.freeze([]);

/** What rules about a result read, of the call that brought it and of the result. */
export function returned({ principal, tool, args, session, time }: CallFacts, result: ResultFacts): ReturnedFacts {
  return { principal, tool, args, session, time, result };
}

/** Combines the rules of a tool for one result, as PolicySet.decideResult promises. */
export function judge(bound: BoundRules, facts: ReturnedFacts): ResultDecision {
  const polled = poll(bound, facts, FAILED);
  const { denials, errors, permits } = polled.live;
  const trial = trialOf(polled, told(polled.live), told);
  return {
    verdict: denials.length > 0 ? "block" : "pass",
    reasons: denials,
    errors,
    obligations: denials.length > 0 ? NONE : permits.flatMap((rule): readonly Obligation[] => rule.obligations),
    ...(trial && { trial }),
  };
}

/** Verdict and rules: those that block, or else those whose obligations are carried out. */
function told({ denials, permits }: Voices): { verdict: ResultDecision["verdict"]; rules: string[] } {
  return denials.length > 0
    ? { verdict: "block", rules: denials.map((reason) => reason.rule) }
    : { verdict: "pass", rules: permits.map((rule) => rule.document.id) };
}

const FAILURE = { rule: "callgate/policy-failure", message: "the policies could not be evaluated for this result" };

/** The decision when deciding itself fails. */
export const WITHHELD: ResultDecision = Object.freeze({
  verdict: "block",
  reasons: [FAILURE],
  errors: [FAILURE],
  obligations: NONE,
});
