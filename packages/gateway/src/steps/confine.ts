import type { Life, Refusal } from "./life.ts";

/** A call that code in the sandbox makes must be within the run: its approved plan, its budgets, its depth. */
export function confine(life: Life): Refusal | undefined {
  const { tool, exchange, request } = life;
  if (!tool) throw new Error("confine before resolve");
  return exchange.within?.admits(tool, request.args);
}
