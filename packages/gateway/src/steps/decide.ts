import type { Life, Refusal } from "./life.ts";

/** Asks the policies. A deny is a refusal with their reasons; allow and hold are left in `life.decision`. */
export function decide(life: Life): Refusal | undefined {
  if (!life.facts) throw new Error("decide before admit");
  const decision = life.gate.policies.decide(life.facts);
  life.decision = decision;
  return decision.verdict === "deny" ? { reasons: decision.reasons, errors: decision.errors } : undefined;
}
