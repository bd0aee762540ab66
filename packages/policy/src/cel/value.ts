import { Fault, OVERFLOW } from "./fault.ts";

/**
 * A CEL value at run time. Numbers are cut so that JSON is read as it is and the common case allocates nothing:
 *  - a `number` that is a safe integer is an int; any other `number` is a double;
 *  - a `bigint` is an int; one that the engine makes is outside the safe range;
 *  - a double that is a safe integer is boxed in `Double`; a uint is always boxed in `Uint`.
 * A plain object is a map with string keys, of which only own properties exist.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Double
  | Uint
  | Timestamp
  | Duration
  | readonly Value[]
  | MapValue
  | Optional
  | TypeValue
  | Opaque
  | JsonMap;

/** An object from outside: read through `Object.hasOwn` alone. */
export interface JsonMap {
  readonly [key: string]: unknown;
}

/** A double whose value is a safe integer (or minus zero). */
export class Double {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** An unsigned 64-bit integer. */
export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** A point in time: seconds since 1970 and nanoseconds within the second, from year 1 to 9999. */
export class Timestamp {
  readonly seconds: number;
  readonly nanos: number;
  constructor(seconds: number, nanos: number) {
    this.seconds = seconds;
    this.nanos = nanos;
  }
}

/** A span of time in nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A type as a value, such as `int` or `type(x)`. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** A value that may be absent. `none` is the only empty one. */
export class Optional {
  static readonly none: Optional = new Optional(null, false);
  readonly value: Value;
  readonly present: boolean;
  private constructor(value: Value, present: boolean) {
    this.value = value;
    this.present = present;
  }
  static of(value: Value): Optional {
    return new Optional(value, true);
  }
}

/** A value of a type that a library adds. */
export abstract class Opaque {
  /** The CEL name of the type. */
  abstract readonly typeName: string;
  abstract equals(other: Opaque): boolean;
  /** What `string()` gives. */
  abstract toText(): string;
}

/** The form under which equal keys of different numeric types meet. */
type CanonicalKey = string | boolean | number | bigint;

/** A map with keys of any key type, in insertion order. */
export class MapValue {
  readonly #entries = new Map<CanonicalKey, readonly [key: Value, value: Value]>();

  get size(): number {
    return this.#entries.size;
  }

  /** Adds an entry; false if an equal key is there already. Only for the code that builds the map. */
  add(key: Value, value: Value): boolean {
    const canonical = canonicalKey(key);
    if (canonical === undefined)
      throw new Fault("invalid_argument", "a map's key must be a string, a bool or an integer");
    if (this.#entries.has(canonical)) return false;
    this.#entries.set(canonical, [key, value]);
    return true;
  }

  get(key: Value): Value | undefined {
    const canonical = lookupKey(key);
    return canonical === undefined ? undefined : this.#entries.get(canonical)?.[1];
  }

  entries(): Iterable<readonly [Value, Value]> {
    return this.#entries.values();
  }
}

function canonicalKey(key: Value): CanonicalKey | undefined {
  if (typeof key === "string" || typeof key === "boolean") return key;
  if (typeof key === "number") return Number.isSafeInteger(key) ? key + 0 : undefined;
  if (typeof key === "bigint") return toInt(key);
  if (key instanceof Uint) return toInt(key.value);
  return undefined;
}

/** Like `canonicalKey`, but a double finds the integer it equals. */
function lookupKey(key: Value): CanonicalKey | undefined {
  const exact = canonicalKey(key);
  if (exact !== undefined) return exact;
  const double = typeof key === "number" ? key : key instanceof Double ? key.value : undefined;
  return double !== undefined && Number.isInteger(double) ? toInt(BigInt(double)) : undefined;
}

export const INT_MIN = -(2n ** 63n);
export const INT_MAX = 2n ** 63n - 1n;
export const UINT_MAX = 2n ** 64n - 1n;

/** An integer in its normal form: a number if it is safe. MUST be in range already. */
export function toInt(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** The int64 in its normal form; throws OVERFLOW out of range. */
export function checkedInt(value: bigint): number | bigint {
  if (value < INT_MIN || value > INT_MAX) throw OVERFLOW;
  return toInt(value);
}

/** The uint64; throws OVERFLOW out of range. */
export function checkedUint(value: bigint): Uint {
  if (value < 0n || value > UINT_MAX) throw OVERFLOW;
  return new Uint(value);
}

/** A double in its normal form: boxed if it would read as an int. */
export function toDouble(value: number): number | Double {
  return Number.isSafeInteger(value) ? new Double(value) : value;
}

export function isInt(value: unknown): value is number | bigint {
  return typeof value === "number" ? Number.isSafeInteger(value) : typeof value === "bigint";
}

/** The number of a double in either form, or undefined. */
export function doubleOf(value: unknown): number | undefined {
  if (value instanceof Double) return value.value;
  return typeof value === "number" && !Number.isSafeInteger(value) ? value : undefined;
}

/** The exact number behind any numeric value, fit for JavaScript's mixed comparisons, or undefined. */
export function numericOf(value: unknown): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof Double || value instanceof Uint) return value.value;
  return undefined;
}

/** True for an object from outside, which stands for a map. Anything with a prototype of its own is none. */
export function isJsonMap(value: unknown): value is JsonMap {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The CEL name of a value's type. */
export function typeNameOf(value: unknown): string {
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "number":
      return Number.isSafeInteger(value) ? "int" : "double";
    case "bigint":
      return "int";
    case "string":
      return "string";
    default:
      break;
  }
  if (value === null) return "null_type";
  if (Array.isArray(value)) return "list";
  if (value instanceof Double) return "double";
  if (value instanceof Uint) return "uint";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Timestamp) return "google.protobuf.Timestamp";
  if (value instanceof Duration) return "google.protobuf.Duration";
  if (value instanceof Optional) return "optional_type";
  if (value instanceof TypeValue) return "type";
  if (value instanceof Opaque) return value.typeName;
  return "map";
}
