import { entriesOf, mapSize, sortBy } from "./compare.ts";
import { Fault, NO_OVERLOAD, SPENT } from "./fault.ts";
import { type Code, type Frame, spend } from "./frame.ts";
import type { Compiling, Local, Locals } from "./locals.ts";
import type { Macro } from "./macro.ts";
import { attempt } from "./operators.ts";
import { MapValue, type Value } from "./value.ts";

/** What a loop goes through: keys are absent for a list, whose keys are its indices. */
interface Range {
  readonly keys: readonly Value[] | undefined;
  readonly values: readonly Value[];
}

/** How a loop takes its turns. */
interface Turns {
  /** Pays for turn `i` and sets its names. */
  enter(frame: Frame, range: Range, i: number): void;
  readonly cost: number;
  /** The slot of the only name, if there is one name. */
  readonly slot: number | undefined;
}

function rangeOf(value: Value, frame: Frame): Range {
  if (Array.isArray(value)) return { keys: undefined, values: value as readonly Value[] };
  const size = mapSize(value);
  if (size === undefined) throw NO_OVERLOAD;
  spend(frame, size);
  const keys: Value[] = [];
  const values: Value[] = [];
  for (const [key, item] of entriesOf(value)) {
    keys.push(key);
    values.push(item);
  }
  return { keys, values };
}

/**
 * The code of a macro over a list or a map. Every turn costs `cost`, which covers the body: this is what bounds an
 * evaluation, since nothing else repeats.
 */
export function compileLoop(compiler: Compiling, macro: Macro & { kind: "loop" }, locals: Locals, cost: number): Code {
  const over = compiler.code(macro.over, locals);
  const json = compiler.isJson(macro.over, locals);
  const slots = macro.names.map(() => compiler.slot());
  let inner = locals;
  macro.names.forEach((name, i) => {
    const local: Local = { slot: slots[i] as number, json };
    inner = inner.with(name, local);
  });
  const body = compiler.code(macro.body, inner);
  const filter = macro.filter && compiler.code(macro.filter, inner);
  const [first, second] = slots as [number, number | undefined];

  const enter = (frame: Frame, range: Range, i: number): void => {
    spend(frame, cost);
    if (second === undefined) frame.slots[first] = (range.keys ?? range.values)[i] as Value;
    else {
      frame.slots[first] = range.keys ? (range.keys[i] as Value) : i;
      frame.slots[second] = range.values[i] as Value;
    }
  };
  const passes = (frame: Frame): boolean => filter === undefined || isTrue(filter(frame));

  switch (macro.loop) {
    case "all":
    case "exists":
      return quantifier(over, body, macro.loop === "exists", {
        enter,
        cost,
        slot: second === undefined ? first : undefined,
      });
    case "sortBy":
      return (f) => {
        const range = rangeOf(over(f), f);
        if (range.keys) throw NO_OVERLOAD;
        const keys = range.values.map((_, i) => {
          enter(f, range, i);
          return body(f);
        });
        return sortBy(range.values, keys, f);
      };
    case "exists_one":
      return (f) => {
        const range = rangeOf(over(f), f);
        let count = 0;
        for (let i = 0; i < range.values.length; i++) {
          enter(f, range, i);
          if (isTrue(body(f))) count += 1;
        }
        return count === 1;
      };
    case "filter":
      return (f) => {
        const range = rangeOf(over(f), f);
        const list: Value[] = [];
        for (let i = 0; i < range.values.length; i++) {
          enter(f, range, i);
          if (isTrue(body(f))) list.push((range.keys ?? range.values)[i] as Value);
        }
        return list;
      };
    case "map":
    case "transformList":
      return (f) => {
        const range = rangeOf(over(f), f);
        const list: Value[] = [];
        for (let i = 0; i < range.values.length; i++) {
          enter(f, range, i);
          if (passes(f)) list.push(body(f));
        }
        return list;
      };
    case "transformMap":
    case "transformMapEntry": {
      const entries = macro.loop === "transformMapEntry";
      return (f) => {
        const range = rangeOf(over(f), f);
        const map = new MapValue();
        for (let i = 0; i < range.values.length; i++) {
          enter(f, range, i);
          if (!passes(f)) continue;
          const value = body(f);
          if (!entries) map.add(range.keys ? (range.keys[i] as Value) : i, value);
          else addAll(map, value);
        }
        return map;
      };
    }
    default:
      return macro.loop satisfies never;
  }
}

function isTrue(value: Value): boolean {
  if (typeof value !== "boolean") throw NO_OVERLOAD;
  return value;
}

function addAll(map: MapValue, entry: Value): void {
  if (mapSize(entry) === undefined) throw NO_OVERLOAD;
  for (const [key, value] of entriesOf(entry)) {
    if (!map.add(key, value)) throw new Fault("duplicate_key", "a map has a key twice");
  }
}

/** `all` (until a false) and `exists` (until a true): a decisive turn outweighs the faults of others. */
function quantifier(over: Code, body: Code, until: boolean, turns: Turns): Code {
  const through = (f: Frame, range: Range): Value => {
    let fault: Fault | undefined;
    for (let i = 0; i < range.values.length; i++) {
      turns.enter(f, range, i);
      const value = attempt(body, f);
      if (value === until) return until;
      if (typeof value !== "boolean") fault ??= value;
    }
    if (fault) throw fault;
    return !until;
  };
  const { slot, cost } = turns;
  return (f) => {
    const value = over(f);
    if (slot === undefined || !Array.isArray(value)) return through(f, rangeOf(value, f));
    // The usual case, one name over a list: the same, with nothing allocated.
    let fault: Fault | undefined;
    for (let i = 0; i < value.length; i++) {
      f.fuel -= cost;
      if (f.fuel < 0) throw SPENT;
      f.slots[slot] = value[i] as Value;
      const outcome = attempt(body, f);
      if (outcome === until) return until;
      if (typeof outcome !== "boolean") fault ??= outcome;
    }
    if (fault) throw fault;
    return !until;
  };
}
