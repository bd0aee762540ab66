import { equal, sortBy } from "../compare.ts";
import type { LibraryBuilder } from "../env.ts";
import { Fault, invalid } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { Optional, type Value } from "../value.ts";
import { integer, list } from "./standard.ts";

function has(items: readonly Value[], value: Value, frame: Frame): boolean {
  for (const item of items) {
    spend(frame, 1);
    if (equal(item, value, frame)) return true;
  }
  return false;
}

function distinct(frame: Frame, value: Value): Value {
  const seen: Value[] = [];
  for (const item of list(value)) if (!has(seen, item, frame)) seen.push(item);
  return seen;
}

function flatten(frame: Frame, value: Value, depth?: Value): Value {
  const levels = depth === undefined ? 1 : integer(depth);
  if (levels < 0 || levels > 100) throw invalid("the depth to flatten is out of range");
  const flat: Value[] = [];
  const add = (items: readonly Value[], left: number): void => {
    spend(frame, items.length);
    for (const item of items) {
      if (left > 0 && Array.isArray(item)) add(item as readonly Value[], left - 1);
      else flat.push(item);
    }
  };
  add(list(value), levels);
  return flat;
}

function slice(frame: Frame, value: Value, from: Value, to: Value): Value {
  const items = list(value);
  const [start, end] = [integer(from), integer(to)];
  if (start < 0 || end > items.length || start > end) throw new Fault("out_of_range", "a slice is out of range");
  spend(frame, end - start);
  return items.slice(start, end);
}

/** The lists and sets extensions. */
export function addLists(lib: LibraryBuilder): void {
  lib.add("distinct", { member: ["list<A> -> list<A>"] }, distinct);
  lib.add(
    "flatten",
    { member: ["list<list<A>> -> list<A>", "list<dyn> -> list<dyn>", "list<dyn>, int -> list<dyn>"] },
    flatten as never,
  );
  lib.add("slice", { member: ["list<A>, int, int -> list<A>"] }, slice);
  lib.add("sort", { member: ["list<A> -> list<A>"] }, (frame, value) => sortBy(list(value), list(value), frame));
  lib.add("first", { member: ["list<A> -> optional<A>"] }, (_, value) => {
    const items = list(value);
    return items.length ? Optional.of(items[0] as Value) : Optional.none;
  });
  lib.add("last", { member: ["list<A> -> optional<A>"] }, (_, value) => {
    const items = list(value);
    return items.length ? Optional.of(items.at(-1) as Value) : Optional.none;
  });
  lib.add("lists.range", { global: ["int -> list<int>"] }, (frame, value) => {
    const count = integer(value);
    if (count < 0) throw invalid("a range cannot have a negative length");
    spend(frame, count);
    return Array.from({ length: count }, (_, i) => i);
  });

  const sets = ["list<A>, list<A> -> bool"];
  const within = (frame: Frame, part: Value, whole: Value): boolean =>
    list(part).every((item) => has(list(whole), item, frame));
  lib.add("sets.contains", { global: sets }, (frame, a, b) => within(frame, b, a));
  lib.add("sets.equivalent", { global: sets }, (frame, a, b) => within(frame, a, b) && within(frame, b, a));
  lib.add("sets.intersects", { global: sets }, (frame, a, b) => list(a).some((item) => has(list(b), item, frame)));
}
