/** A scalar that can have an origin. */
type Scalar = string | number | bigint;

/** The strings and numbers in a value, in order. `more` if there are more than the bound, or too many containers to look through. */
interface Scalars {
  readonly found: readonly Scalar[];
  readonly more: boolean;
}

/** How many scalars of one call's arguments are looked at. */
export const MAX_SCALARS = 10_000;
const MAX_NODES = 1_000_000;

/** The strings and numbers in a value. INVARIANT: what is left out is told. */
export function scalarsIn(value: unknown, max = MAX_SCALARS): Scalars {
  const found: Scalar[] = [];
  const open: unknown[] = [value];
  for (let nodes = 0; open.length > 0; nodes++) {
    const next = open.pop();
    if (nodes > MAX_NODES || found.length > max) return { found: found.slice(0, max), more: true };
    if (typeof next === "string" || typeof next === "number" || typeof next === "bigint") found.push(next);
    else if (typeof next === "object" && next !== null) {
      const inner = Object.values(next);
      for (let i = inner.length - 1; i >= 0; i--) open.push(inner[i]);
    }
  }
  return { found: found.slice(0, max), more: found.length > max };
}
