import { dottedName, type Expr, rootOf } from "../cel/ast.ts";
import { equal, order } from "../cel/compare.ts";
import { Fault } from "../cel/fault.ts";
import type { Frame } from "../cel/frame.ts";
import { macroOf } from "../cel/macro.ts";
import type { Type } from "../cel/type.ts";
import { numericOf, type Value } from "../cel/value.ts";
import { keyOf } from "./key.ts";
import type { Truth } from "./truth.ts";

/** What is asked of a subject's value, with constants on the other side. `is` asks for a bool itself. */
export type Test =
  | { readonly op: "==" | "<" | "<=" | ">" | ">=" | "startsWith"; readonly value: Value }
  | { readonly op: "in"; readonly values: readonly Value[] }
  | { readonly op: "is" | "has" };

/** What several atoms may ask about. Two of one key have the same value in any one evaluation. */
export interface Subject {
  readonly key: string;
  readonly type: Type;
  /** A chain of fields from a fact: JSON, so that it is no NaN and no optional. */
  readonly plain: boolean;
}

/** A part of a condition that is not taken apart further. Two of one key have the same truth in any one evaluation. */
export interface Atom {
  readonly key: string;
  readonly about?: { readonly subject: Subject; readonly test: Test };
}

/** How an atom is read: the types that checking found, and what parts are known to give. */
export interface Reading {
  typeOf(e: Expr): Type;
  valueOf(e: Expr): Value | undefined;
}

const FLIPPED = { "==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<=" } as const;

/** The atom of an expression that gives a bool. `!=` MUST have been turned into `!` and `==` before. */
export function atomOf(e: Expr, reading: Reading): Atom {
  const key = keyOf(e);
  const about = asked(e, reading);
  // Atoms of one subject and test are one, however they are written: `5 < x` and `x > 5`.
  return about ? { key: `${about.subject.key} ${testKey(about.test)}`, about } : { key };
}

function asked(e: Expr, reading: Reading): Atom["about"] {
  const subjectOf = (one: Expr): Subject => ({ key: keyOf(one), type: reading.typeOf(one), plain: isPlain(one) });
  if (e.op === "binary") {
    if (e.operator === "in") {
      const values = reading.valueOf(e.right);
      if (!Array.isArray(values) || !values.every(isScalar)) return undefined;
      return { subject: subjectOf(e.left), test: { op: "in", values: values as readonly Value[] } };
    }
    if (!(e.operator in FLIPPED)) return undefined;
    const operator = e.operator as keyof typeof FLIPPED;
    const right = reading.valueOf(e.right);
    const left = right === undefined ? reading.valueOf(e.left) : undefined;
    const [of, value, op] = right === undefined ? [e.right, left, FLIPPED[operator]] : [e.left, right, operator];
    if (value === undefined || !(op === "==" ? isScalar(value) : isNumber(value))) return undefined;
    return { subject: subjectOf(of), test: { op, value } };
  }
  if (e.op === "call" && e.target && e.name === "startsWith" && e.args.length === 1) {
    const value = reading.valueOf(e.args[0] as Expr);
    return typeof value === "string" ? { subject: subjectOf(e.target), test: { op: "startsWith", value } } : undefined;
  }
  if (e.op === "call") {
    const macro = macroOf(e);
    if (macro?.kind !== "has" || !isPlain(macro.of)) return undefined;
    return { subject: subjectOf(macro.of), test: { op: "has" } };
  }
  return e.op === "select" || e.op === "index" || e.op === "ident"
    ? { subject: subjectOf(e), test: { op: "is" } }
    : undefined;
}

function isPlain(e: Expr): boolean {
  return dottedName(e) !== undefined && rootOf(e) !== undefined;
}

/** What the regions of `points.ts` are made for. */
function isScalar(value: unknown): boolean {
  return value === null || typeof value === "string" || typeof value === "boolean" || isNumber(value);
}

function isNumber(value: unknown): boolean {
  const number = numericOf(value);
  // Beyond it, an integer and a double compare after rounding.
  return number !== undefined && Number.isFinite(Number(number)) && Math.abs(Number(number)) < 2 ** 52;
}

function testKey(test: Test): string {
  if (test.op === "in") return `in [${test.values.map(valueKey).join(",")}]`;
  return "value" in test ? `${test.op} ${valueKey(test.value)}` : test.op;
}

function valueKey(value: Value): string {
  const number = numericOf(value);
  // Numbers compare by value across types; -0 and 0 are equal.
  return number === undefined ? JSON.stringify(value) : String(Number(number) + 0);
}

/** What the test gives for a value, as the engine has it. */
export function tested(test: Test, value: Value): Truth {
  const frame: Frame = { facts: undefined, slots: [], fuel: 100_000 };
  try {
    switch (test.op) {
      case "has":
        return true;
      case "is":
        return typeof value === "boolean" ? value : "fault";
      case "startsWith":
        return typeof value === "string" ? value.startsWith(test.value as string) : "fault";
      case "in":
        return test.values.some((one) => equal(value, one, frame));
      case "==":
        return equal(value, test.value, frame);
      case "<":
        return order(value, test.value, frame) < 0;
      case "<=":
        return order(value, test.value, frame) <= 0;
      case ">":
        return order(value, test.value, frame) > 0;
      case ">=":
        return order(value, test.value, frame) >= 0;
      default:
        return test satisfies never;
    }
  } catch (error) {
    if (error instanceof Fault) return "fault";
    throw error;
  }
}
