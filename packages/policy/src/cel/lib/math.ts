import { order } from "../compare.ts";
import type { LibraryBuilder } from "../env.ts";
import { invalid, NO_OVERLOAD, OVERFLOW } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { checkedInt, doubleOf, INT_MIN, isInt, numericOf, toDouble, toInt, Uint, type Value } from "../value.ts";

function real(value: Value): number {
  const double = doubleOf(value);
  if (double === undefined) throw NO_OVERLOAD;
  return double;
}

/** Half away from zero; JavaScript rounds a half up. */
function round(value: number): number {
  return Math.sign(value) * Math.round(Math.abs(value));
}

function extreme(sign: 1 | -1): (frame: Frame, ...args: Value[]) => Value {
  return (frame, ...args) => {
    const [only] = args;
    const values: readonly Value[] = args.length === 1 && Array.isArray(only) ? only : args;
    if (values.length === 0) throw invalid("there is no greatest or least of an empty list");
    spend(frame, values.length);
    let best = values[0] as Value;
    if (numericOf(best) === undefined) throw NO_OVERLOAD;
    for (const value of values.slice(1)) if (order(value, best, frame) * sign > 0) best = value;
    return best;
  };
}

/** The int as a BigInt; throws OVERFLOW for a JSON integer beyond 64 bits, whose bits no operation here means. */
function word(value: number | bigint): bigint {
  return BigInt(typeof value === "bigint" ? checkedInt(value) : value);
}

function bits(op: (a: bigint, b: bigint) => bigint): (frame: Frame, a: Value, b: Value) => Value {
  return (_, a, b) => {
    if (isInt(a) && isInt(b)) return toInt(BigInt.asIntN(64, op(word(a), word(b))));
    if (a instanceof Uint && b instanceof Uint) return new Uint(BigInt.asUintN(64, op(a.value, b.value)));
    throw NO_OVERLOAD;
  };
}

function shift(op: (a: bigint, by: bigint) => bigint): (frame: Frame, a: Value, by: Value) => Value {
  return (_, a, by) => {
    if (!isInt(by)) throw NO_OVERLOAD;
    if (by < 0) throw invalid("a shift by a negative number");
    // The bits of an int are shifted as if they were unsigned; what leaves the 64 bits is gone.
    const distance = by > 63 ? 64n : BigInt(by);
    if (isInt(a)) return toInt(BigInt.asIntN(64, op(BigInt.asUintN(64, word(a)), distance)));
    if (a instanceof Uint) return new Uint(BigInt.asUintN(64, op(a.value, distance)));
    throw NO_OVERLOAD;
  };
}

/** The math extension. */
export function addMath(lib: LibraryBuilder): void {
  const same = ["int", "uint", "double"].map((type) => `${type} -> ${type}`);
  // The first that fits counts: arguments of one type keep it.
  const many = [...same, "number -> number", "list<A> -> dyn"];
  lib.variadic("math.greatest", { global: many }, extreme(1));
  lib.variadic("math.least", { global: many }, extreme(-1));

  for (const [name, op] of [
    ["ceil", Math.ceil],
    ["floor", Math.floor],
    ["round", round],
    ["trunc", Math.trunc],
  ] as const) {
    lib.add(`math.${name}`, { global: ["double -> double"] }, (_, value) => toDouble(op(real(value))));
  }
  lib.add("math.sqrt", { global: ["double -> double", "int -> double", "uint -> double"] }, (_, value) => {
    const number = numericOf(value);
    if (number === undefined) throw NO_OVERLOAD;
    return toDouble(Math.sqrt(Number(number)));
  });
  lib.add("math.isNaN", { global: ["double -> bool"] }, (_, value) => Number.isNaN(real(value)));
  lib.add(
    "math.isInf",
    { global: ["double -> bool"] },
    (_, value) => Math.abs(real(value)) === Number.POSITIVE_INFINITY,
  );
  lib.add("math.isFinite", { global: ["double -> bool"] }, (_, value) => Number.isFinite(real(value)));
  lib.add("math.abs", { global: same }, (_, value) => {
    if (value instanceof Uint) return value;
    if (!isInt(value)) return toDouble(Math.abs(real(value)));
    if (value === INT_MIN) throw OVERFLOW;
    return value < 0 ? checkedInt(-BigInt(value)) : value;
  });
  lib.add("math.sign", { global: same }, (_, value) => {
    if (value instanceof Uint) return new Uint(value.value === 0n ? 0n : 1n);
    if (isInt(value)) return value < 0 ? -1 : value > 0 ? 1 : 0;
    return toDouble(Math.sign(real(value)));
  });

  const pairs = ["int, int -> int", "uint, uint -> uint"];
  lib.add(
    "math.bitAnd",
    { global: pairs },
    bits((a, b) => a & b),
  );
  lib.add(
    "math.bitOr",
    { global: pairs },
    bits((a, b) => a | b),
  );
  lib.add(
    "math.bitXor",
    { global: pairs },
    bits((a, b) => a ^ b),
  );
  lib.add("math.bitNot", { global: ["int -> int", "uint -> uint"] }, (_, value) => {
    if (isInt(value)) return toInt(BigInt.asIntN(64, ~word(value)));
    if (value instanceof Uint) return new Uint(BigInt.asUintN(64, ~value.value));
    throw NO_OVERLOAD;
  });
  const shifts = ["int, int -> int", "uint, int -> uint"];
  lib.add(
    "math.bitShiftLeft",
    { global: shifts },
    shift((a, by) => a << by),
  );
  lib.add(
    "math.bitShiftRight",
    { global: shifts },
    shift((a, by) => a >> by),
  );
}
