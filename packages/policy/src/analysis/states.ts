import type { Atom, Test } from "./atom.ts";
import { atomsOf, type Formula } from "./formula.ts";
import { outcomesOf } from "./points.ts";
import type { Truth } from "./truth.ts";

/** How many states are gone through before nothing is said. */
const MAX_STATES = 20_000;
const ANY: readonly Truth[][] = [[true], [false], ["fault"]];

/** Atoms whose truths hang together, and every way they can turn out. */
interface Group {
  readonly keys: readonly string[];
  readonly outcomes: readonly (readonly Truth[])[];
}

/**
 * Every state that the atoms of some formulas can be in, as their truths by key. There may be more than can really be, never fewer;
 * undefined if there are too many to go through. The map that is given is the same each time, filled anew.
 */
export function statesOf(formulas: readonly Formula[]): Iterable<ReadonlyMap<string, Truth>> | undefined {
  const groups = groupsOf(formulas.flatMap(atomsOf));
  let count = 1;
  for (const { outcomes } of groups) {
    count *= outcomes.length;
    if (count > MAX_STATES) return undefined;
  }
  return { [Symbol.iterator]: () => assignments(groups) };
}

function groupsOf(atoms: readonly Atom[]): Group[] {
  const once = [...new Map(atoms.map((atom) => [atom.key, atom])).values()];
  const bySubject = Map.groupBy(once, (atom) => atom.about?.subject.key ?? `\0${atom.key}`);
  return [...bySubject.values()].map((members): Group => {
    const keys = members.map((atom) => atom.key);
    const asked = members.flatMap((atom) => atom.about ?? []);
    if (asked.length === 0) return { keys, outcomes: ANY };
    // `has(x)` has no type of `x`; what asks for its value has.
    const subject = (asked.find((one) => one.subject.type.kind !== "dyn") ?? asked[0])?.subject;
    if (!subject) return { keys, outcomes: ANY };
    const tests = asked.map((one): Test => one.test);
    return { keys, outcomes: outcomesOf(subject, tests) };
  });
}

function* assignments(groups: readonly Group[]): Generator<ReadonlyMap<string, Truth>, void> {
  const truths = new Map<string, Truth>();
  function* from(i: number): Generator<ReadonlyMap<string, Truth>, void> {
    const group = groups[i];
    if (!group) {
      yield truths;
      return;
    }
    for (const outcome of group.outcomes) {
      group.keys.forEach((key, at) => truths.set(key, outcome[at] as Truth));
      yield* from(i + 1);
    }
  }
  yield* from(0);
}
