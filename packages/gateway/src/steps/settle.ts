import type { Life, Outcome } from "./life.ts";

/** Frees the call's place, counts what it took, and tells the loop breaker what it gave. */
export function settle(life: Life, outcome: Outcome): void {
  life.reservation?.settle();
  const { session, tool, round } = life;
  session.state.count(!round || round.kind === "approval" ? (tool?.limits.cost ?? 0) : 0);
  session.state.trail.settle(life.id, outcome.digest ?? `${outcome.status} ${outcome.error?.code ?? ""}`);
}
