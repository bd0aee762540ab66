import type { RateCap } from "../rate-cap.ts";
import type { Life, Refusal } from "./life.ts";

/** Asks the policies. A deny is a refusal with their reasons; allow and hold are left in `life.decision`. */
export function decide(life: Life): Refusal | undefined {
  if (!life.facts) throw new Error("decide before admit");
  life.policies = life.gate.policies;
  const decision = life.policies.decide(life.facts);
  life.decision = decision;
  return decision.verdict === "deny" ? { reasons: decision.reasons, errors: decision.errors } : capRate(life);
}

/** Counts the call where permitting policies cap how many there may be in a minute. It is given back with the reservation. */
function capRate(life: Life): Refusal | undefined {
  const { decision, reservation, grant, gate, began, round } = life;
  const caps =
    decision?.obligations.flatMap((o): RateCap[] =>
      o.kind === "cap" && o.callsPerMinute !== undefined ? [{ rule: o.rule, callsPerMinute: o.callsPerMinute }] : [],
    ) ?? [];
  // Coming back with an answer goes on with a call that was counted.
  if (caps.length === 0 || !reservation || (round !== undefined && round.kind !== "approval")) return undefined;
  const taken = gate.rates.take(grant.principal.agent, caps, began);
  // The second rule tells whoever reads the record that the policies had allowed it.
  if ("refused" in taken)
    return { reasons: [taken.refused, { rule: "callgate/rate-cap", message: taken.refused.message }] };
  life.reservation = {
    ...reservation,
    release() {
      taken.giveBack();
      reservation.release();
    },
  };
  return undefined;
}
