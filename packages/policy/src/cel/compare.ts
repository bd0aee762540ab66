import { NO_OVERLOAD } from "./fault.ts";
import { type Frame, spend } from "./frame.ts";
import {
  Double,
  Duration,
  isJsonMap,
  MapValue,
  numericOf,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from "./value.ts";

/** CEL's equality: numbers compare by value across types, values of other different types are unequal. Never faults but on cost. */
export function equal(a: Value, b: Value, frame: Frame): boolean {
  if (a === b) return a === a;
  switch (typeof a) {
    case "boolean":
      return false;
    case "string":
      if (typeof b === "string") spend(frame, a.length >> 6);
      return false;
    case "number":
    case "bigint":
      return sameNumber(a, b);
    default:
      break;
  }
  if (a === null || b === null || typeof b !== "object")
    return a instanceof Double || a instanceof Uint ? sameNumber(a.value, b) : false;
  if (a instanceof Double || a instanceof Uint) return sameNumber(a.value, b);
  if (Array.isArray(a)) return Array.isArray(b) && sameList(a as readonly Value[], b as readonly Value[], frame);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && orderBytes(a, b, frame) === 0;
  if (a instanceof Timestamp) return b instanceof Timestamp && a.seconds === b.seconds && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Opaque) return b instanceof Opaque && a.equals(b);
  if (a instanceof Optional) {
    if (!(b instanceof Optional) || a.present !== b.present) return false;
    return !a.present || equal(a.value, b.value, frame);
  }
  return sameMap(a, b as Value, frame);
}

function sameNumber(a: number | bigint, b: unknown): boolean {
  const other = numericOf(b);
  return other !== undefined && orderNumbers(a, other) === 0;
}

/**
 * Integers compare exactly. An integer and a double compare as doubles, as the language's conformance cases want it; a
 * number that stands for an int is safe, so that rounding the other side cannot change its place.
 */
function orderNumbers(a: number | bigint, b: number | bigint): number {
  if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN;
  const [x, y] = [Number(a), Number(b)];
  return x < y ? -1 : x > y ? 1 : x === y ? 0 : Number.NaN;
}

function sameList(a: readonly Value[], b: readonly Value[], frame: Frame): boolean {
  if (a.length !== b.length) return false;
  spend(frame, a.length);
  for (let i = 0; i < a.length; i++) if (!equal(a[i] as Value, b[i] as Value, frame)) return false;
  return true;
}

function sameMap(a: Value, b: Value, frame: Frame): boolean {
  const size = mapSize(a);
  if (size === undefined || size !== mapSize(b)) return false;
  spend(frame, 8 * size);
  for (const [key, value] of entriesOf(a)) {
    const other = lookUp(b, key);
    if (other === undefined || !equal(value, other, frame)) return false;
  }
  return true;
}

/** The number of a map's entries; undefined if it is not a map. */
export function mapSize(map: unknown): number | undefined {
  if (map instanceof MapValue) return map.size;
  if (!isJsonMap(map)) return undefined;
  let size = 0;
  for (const key of Object.keys(map)) if (map[key] !== undefined) size += 1;
  return size;
}

/** A map's entries. An object's property that is undefined is not one. */
export function entriesOf(map: Value): Iterable<readonly [Value, Value]> {
  if (map instanceof MapValue) return map.entries();
  const entries: [Value, Value][] = [];
  if (!isJsonMap(map)) return entries;
  for (const key of Object.keys(map)) if (map[key] !== undefined) entries.push([key, map[key] as Value]);
  return entries;
}

/** The value under a key, or undefined if there is none. Reads own properties alone. */
export function lookUp(map: Value, key: Value): Value | undefined {
  if (map instanceof MapValue) return map.get(key);
  if (typeof key !== "string" || !isJsonMap(map) || !Object.hasOwn(map, key)) return undefined;
  return map[key] as Value | undefined;
}

/**
 * How two values of one ordered type compare: below, at or above zero, and NaN if a NaN is among them.
 * Throws NO_OVERLOAD for values without an order between them.
 */
export function order(a: Value, b: Value, frame: Frame): number {
  const left = numericOf(a);
  if (left !== undefined) {
    const right = numericOf(b);
    if (right === undefined) throw NO_OVERLOAD;
    return orderNumbers(left, right);
  }
  if (typeof a === "string" && typeof b === "string") return orderText(a, b, frame);
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Timestamp && b instanceof Timestamp) return a.seconds - b.seconds || a.nanos - b.nanos;
  if (a instanceof Duration && b instanceof Duration) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return orderBytes(a, b, frame);
  throw NO_OVERLOAD;
}

/** By code point, as UTF-8 sorts; JavaScript's own order differs where surrogates meet U+E000 to U+FFFF. */
function orderText(a: string, b: string, frame: Frame): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a.charCodeAt(i) === b.charCodeAt(i)) i++;
  spend(frame, i >> 5);
  if (i === length) return a.length - b.length;
  return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

function orderBytes(a: Uint8Array, b: Uint8Array, frame: Frame): number {
  spend(frame, Math.min(a.length, b.length) >> 6);
  return Buffer.compare(a, b);
}

/** Sorts a copy by keys of one ordered type. */
export function sortBy(items: readonly Value[], keys: readonly Value[], frame: Frame): Value[] {
  spend(frame, items.length * Math.ceil(Math.log2(items.length + 2)));
  const positions = items.map((_, i) => i);
  positions.sort((x, y) => order(keys[x] as Value, keys[y] as Value, frame) || 0);
  return positions.map((i) => items[i] as Value);
}
