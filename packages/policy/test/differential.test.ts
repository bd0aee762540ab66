import fc from "fast-check";
import { expect, it } from "vitest";
import { Defect } from "../src/cel/fault.ts";
import { run, runUnchecked } from "./evaluate.ts";
import { EXPRESSION, FACTS } from "./grammar.ts";
import { KNOWN_DIFFERENCES, oracle, showOurs } from "./oracle.ts";

// POLICY_FUZZ=100000 for the long run, POLICY_FUZZ_SEED to take another path.
const RUNS = Number(process.env.POLICY_FUZZ ?? 1500);
const SEED = Number(process.env.POLICY_FUZZ_SEED ?? 1);

function ours(text: string): string {
  try {
    const outcome = runUnchecked(text, FACTS);
    return outcome.ok ? showOurs(outcome.value) : "error";
  } catch (error) {
    if (error instanceof Defect) return "error";
    throw error;
  }
}

it(`agrees with another engine on ${RUNS} expressions`, { timeout: 600_000 }, () => {
  const counts = new Map<string, number>();
  let valued = 0;
  const property = fc.property(EXPRESSION, (text) => {
    const [a, b] = [ours(text), oracle(text, FACTS)];
    if (a !== "error") valued += 1;
    if (a === b) return;
    const known = KNOWN_DIFFERENCES.find((difference) => difference.fits(text, a, b));
    expect(known, `${text}\n  ours:   ${a}\n  theirs: ${b}`).toBeDefined();
    counts.set(known?.why ?? "", (counts.get(known?.why ?? "") ?? 0) + 1);
  });
  fc.assert(property, { numRuns: RUNS, seed: SEED });
  // A grammar that mostly makes errors would agree on nothing worth agreeing on.
  expect(valued).toBeGreaterThan(RUNS / 3);
  const explained = [...counts.values()].reduce((sum, count) => sum + count, 0);
  expect(explained).toBeLessThan(RUNS / 20);
  if (process.env.POLICY_FUZZ) for (const [why, count] of counts) console.log(`${count} ${why}`);
});

it("gives the same with types known and unknown", () => {
  const property = fc.property(EXPRESSION, (text) => {
    let checked: string;
    try {
      const outcome = run(text, FACTS);
      checked = outcome.ok ? showOurs(outcome.value) : "error";
    } catch (error) {
      // What the checker refuses has nothing to compare.
      if (error instanceof Defect) return;
      throw error;
    }
    expect(checked, text).toBe(ours(text));
  });
  fc.assert(property, { numRuns: RUNS, seed: SEED });
});
