import { didYouMean } from "../suggest.ts";
import type { BinaryOp, Expr, ExprOf } from "./ast.ts";
import type { Checking, Locals } from "./checking.ts";
import { Defect } from "./fault.ts";
import { BOOL, BYTES, DOUBLE, DURATION, DYN, INT, listOf, phrase, STRING, TIMESTAMP, type Type, UINT } from "./type.ts";
import { isInt } from "./value.ts";

const ORDERED = new Set<Type["kind"]>(["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"]);

/** Sums and products by the types of their sides. */
const ARITHMETIC: Readonly<Record<"+" | "-" | "*" | "/" | "%", readonly (readonly [Type, Type, Type])[]>> = {
  "+": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
    [STRING, STRING, STRING],
    [BYTES, BYTES, BYTES],
    [listOf({ kind: "param", name: "A" }), listOf({ kind: "param", name: "A" }), listOf({ kind: "param", name: "A" })],
    [TIMESTAMP, DURATION, TIMESTAMP],
    [DURATION, TIMESTAMP, TIMESTAMP],
    [DURATION, DURATION, DURATION],
  ],
  "-": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
    [TIMESTAMP, DURATION, TIMESTAMP],
    [TIMESTAMP, TIMESTAMP, DURATION],
    [DURATION, DURATION, DURATION],
  ],
  "*": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
  ],
  "/": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
  ],
  "%": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
  ],
};

/** The type of an operator with two sides. */
export function typeOfBinary(c: Checking, e: ExprOf<"binary">, locals: Locals): Type {
  const left = c.type(e.left, locals);
  const right = c.type(e.right, locals);
  switch (e.operator) {
    case "==":
    case "!=":
      if (!comparable(c, left, right)) throw mismatch(c, e, left, right);
      expectMember(c, e.left, right);
      expectMember(c, e.right, left);
      return BOOL;
    case "<":
    case "<=":
    case ">":
    case ">=": {
      const ordered = (t: Type): boolean => c.members(t).some((m) => ORDERED.has(m.kind) || m.kind === "dyn");
      if (!ordered(left) || !ordered(right) || !comparable(c, left, right)) throw mismatch(c, e, left, right);
      return BOOL;
    }
    case "in": {
      const fits = c.members(right).some((m) => {
        if (m.kind === "dyn") return true;
        if (m.kind === "list") return comparable(c, left, m.of);
        if (m.kind === "map") return comparable(c, left, m.key);
        return m.kind === "object" && comparable(c, left, STRING);
      });
      if (!fits) throw mismatch(c, e, left, right);
      if (e.right.op === "list") for (const item of e.right.items) expectMember(c, item, left);
      const list = c.known(right);
      if (list.kind === "list") expectMember(c, e.left, list.of);
      return BOOL;
    }
    default:
      return typeOfArithmetic(c, e, e.operator, left, right);
  }
}

/** A literal compared with a value that can only be one of some others is a slip of the pen. */
function expectMember(c: Checking, e: Expr, type: Type): void {
  const known = c.known(type);
  if (e.op !== "literal" || typeof e.value !== "string" || known.kind !== "string" || !known.values) return;
  if (known.values.includes(e.value)) return;
  c.warnings.push(new Defect(`this is never "${e.value}"`, e, didYouMean(e.value, known.values, "it is one of")));
}

function comparable(c: Checking, x: Type, y: Type): boolean {
  if (c.bothNumeric(x, y)) return true;
  return c.fits(x, y) || c.fits(y, x);
}

function typeOfArithmetic(
  c: Checking,
  e: ExprOf<"binary">,
  operator: keyof typeof ARITHMETIC,
  left: Type,
  right: Type,
): Type {
  const results: Type[] = [];
  for (const row of ARITHMETIC[operator]) {
    const [x, y, result] = c.unifier.instantiate(row) as [Type, Type, Type];
    const fits = c.unifier.attempt(() => c.unifier.assignable(left, x) && c.unifier.assignable(right, y));
    if (fits) results.push(result);
  }
  if (results.length === 0) throw mismatch(c, e, left, right);
  return results.length === 1 ? (results[0] as Type) : DYN;
}

function mismatch(c: Checking, e: ExprOf<"binary">, left: Type, right: Type): Defect {
  const [x, y] = [c.settle(left), c.settle(right)];
  return new Defect(
    `\`${e.operator}\` does not take ${phrase(x)} and ${phrase(y)}`,
    e,
    mismatchHelp(e, e.operator, x, y),
  );
}

function mismatchHelp(e: ExprOf<"binary">, operator: BinaryOp, left: Type, right: Type): string | undefined {
  const kinds = [left.kind, right.kind];
  const has = (kind: Type["kind"]): boolean => kinds.includes(kind);
  if (operator === "in" && !["list", "map", "object"].includes(right.kind))
    return "the right side must be a list or a map";
  if (has("null") && (operator === "==" || operator === "!="))
    return "it is never null: ask whether a field is there with `has(…)`";
  if (has("double") && (has("int") || has("uint"))) {
    for (const side of [e.left, e.right]) {
      const value = side.op === "literal" ? side.value : undefined;
      if (isInt(value)) return `write \`${value}.0\``;
    }
    return "convert one side with `double(…)` or `int(…)`";
  }
  if (has("int") && has("uint")) return "convert one side with `int(…)` or `uint(…)`";
  if (has("string") && (has("int") || has("double") || has("bool")))
    return "convert one side with `string(…)`, or drop the quotes";
  return undefined;
}
