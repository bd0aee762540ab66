import { Fault, NO_OVERLOAD } from "./fault.ts";
import { type Frame, spend } from "./frame.ts";
import { addTime, subtractTime } from "./time.ts";
import {
  checkedInt,
  checkedUint,
  Double,
  Duration,
  doubleOf,
  isInt,
  Timestamp,
  toDouble,
  Uint,
  type Value,
} from "./value.ts";

type Int = number | bigint;
export type Arithmetic = "+" | "-" | "*" | "/" | "%";

const ZERO = new Fault("divide_by_zero", "division by zero");

/** Exact int64 arithmetic; throws a Fault on overflow and on division by zero. */
export function intArithmetic(op: Arithmetic, a: Int, b: Int): Int {
  if (typeof a === "number" && typeof b === "number") {
    // A safe result is exact; anything else is worked out again without rounding. `+ 0` turns minus zero into zero.
    switch (op) {
      case "+": {
        const sum = a + b;
        if (Number.isSafeInteger(sum)) return sum;
        break;
      }
      case "-": {
        const difference = a - b;
        if (Number.isSafeInteger(difference)) return difference;
        break;
      }
      case "*": {
        const product = a * b;
        if (Number.isSafeInteger(product)) return product + 0;
        break;
      }
      case "/":
        if (b === 0) throw ZERO;
        return (a - (a % b)) / b + 0;
      case "%":
        if (b === 0) throw ZERO;
        return (a % b) + 0;
      default:
        op satisfies never;
    }
  }
  return checkedInt(exact(op, BigInt(a), BigInt(b)));
}

function exact(op: Arithmetic, a: bigint, b: bigint): bigint {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0n) throw ZERO;
      return a / b;
    case "%":
      if (b === 0n) throw ZERO;
      return a % b;
    default:
      return op satisfies never;
  }
}

function doubleArithmetic(op: Arithmetic, a: number, b: number): Value {
  switch (op) {
    case "+":
      return toDouble(a + b);
    case "-":
      return toDouble(a - b);
    case "*":
      return toDouble(a * b);
    case "/":
      return toDouble(a / b);
    case "%":
      throw NO_OVERLOAD;
    default:
      return op satisfies never;
  }
}

/** `a op b` by the types the values have. Throws NO_OVERLOAD where CEL has none: it never converts between number types. */
export function arithmetic(op: Arithmetic, a: Value, b: Value, frame: Frame): Value {
  if (isInt(a)) {
    if (isInt(b)) return intArithmetic(op, a, b);
    throw NO_OVERLOAD;
  }
  if (typeof a === "number" || a instanceof Double) {
    const right = doubleOf(b);
    if (right === undefined) throw NO_OVERLOAD;
    return doubleArithmetic(op, typeof a === "number" ? a : a.value, right);
  }
  if (a instanceof Uint && b instanceof Uint) return checkedUint(exact(op, a.value, b.value));
  if (op === "+") return join(a, b, frame);
  if (op === "-" && (a instanceof Timestamp || a instanceof Duration)) return subtractTime(a, b);
  throw NO_OVERLOAD;
}

function join(a: Value, b: Value, frame: Frame): Value {
  if (typeof a === "string" && typeof b === "string") {
    spend(frame, (a.length + b.length) >> 5);
    return a + b;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    spend(frame, a.length + b.length);
    return a.concat(b) as Value[];
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    spend(frame, (a.length + b.length) >> 5);
    const bytes = new Uint8Array(a.length + b.length);
    bytes.set(a);
    bytes.set(b, a.length);
    return bytes;
  }
  if (a instanceof Timestamp || a instanceof Duration) return addTime(a, b);
  throw NO_OVERLOAD;
}

/** Doubles by their static type: a JSON number with an integral value counts as the double it stands for. */
export function staticDouble(op: Arithmetic, a: Value, b: Value): Value {
  return doubleArithmetic(op, wide(a), wide(b));
}

function wide(value: Value): number {
  if (typeof value === "number") return value;
  if (value instanceof Double) return value.value;
  // A JSON integer beyond 2^53, kept exact by the reader: as a double it rounds, like any JSON number would.
  if (typeof value === "bigint") return Number(value);
  throw NO_OVERLOAD;
}

/** `-a`. */
export function negate(a: Value): Value {
  if (typeof a === "number") return Number.isSafeInteger(a) ? 0 - a : -a;
  if (typeof a === "bigint") return checkedInt(-a);
  if (a instanceof Double) return toDouble(-a.value);
  throw NO_OVERLOAD;
}
