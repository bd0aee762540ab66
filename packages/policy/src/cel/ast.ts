import type { Value } from "./value.ts";

/** Where a node stands in its expression's text: UTF-16 offsets, end excluded. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Operators that evaluate both sides. */
export type BinaryOp = "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "+" | "-" | "*" | "/" | "%";

/** The kind of a literal; an integer without suffix is `int`. */
export type LiteralKind = "null" | "bool" | "int" | "uint" | "double" | "string" | "bytes";

export interface Entry {
  readonly key: Expr;
  readonly value: Expr;
  /** `{?key: optional}`: left out if the optional is empty. */
  readonly optional: boolean;
}

/** One parsed expression. Macros are still calls here; the checker and the compiler know them by name. */
export type Expr = Range & { readonly depth: number } & (
    | { readonly op: "literal"; readonly kind: LiteralKind; readonly value: Value }
    | { readonly op: "ident"; readonly name: string; readonly absolute: boolean }
    | {
        readonly op: "select";
        readonly of: Expr;
        readonly field: string;
        readonly optional: boolean;
        readonly at: Range;
      }
    | { readonly op: "index"; readonly of: Expr; readonly index: Expr; readonly optional: boolean }
    | {
        readonly op: "call";
        readonly target: Expr | undefined;
        readonly name: string;
        readonly args: readonly Expr[];
        readonly at: Range;
      }
    | { readonly op: "list"; readonly items: readonly Expr[]; readonly optionals: readonly boolean[] }
    | { readonly op: "map"; readonly entries: readonly Entry[] }
    | { readonly op: "not" | "negate"; readonly of: Expr }
    | { readonly op: "and" | "or"; readonly terms: readonly Expr[] }
    | { readonly op: "cond"; readonly test: Expr; readonly then: Expr; readonly otherwise: Expr }
    | {
        readonly op: "binary";
        readonly operator: BinaryOp;
        readonly left: Expr;
        readonly right: Expr;
        readonly at: Range;
      }
  );

export type ExprOf<Op extends Expr["op"]> = Extract<Expr, { readonly op: Op }>;

/** The nodes directly under one. */
export function childrenOf(e: Expr): readonly Expr[] {
  switch (e.op) {
    case "literal":
    case "ident":
      return [];
    case "select":
    case "not":
    case "negate":
      return [e.of];
    case "index":
      return [e.of, e.index];
    case "call":
      return e.target ? [e.target, ...e.args] : e.args;
    case "list":
      return e.items;
    case "map":
      return e.entries.flatMap((entry) => [entry.key, entry.value]);
    case "and":
    case "or":
      return e.terms;
    case "cond":
      return [e.test, e.then, e.otherwise];
    case "binary":
      return [e.left, e.right];
    default:
      return e satisfies never;
  }
}

/** How many nodes an expression has: what one evaluation of it costs at most, its loops and functions apart. */
export function sizeOf(e: Expr): number {
  let size = 1;
  for (const child of childrenOf(e)) size += sizeOf(child);
  return size;
}

/** `a.b.c` of a chain of plain selections, or undefined. */
export function dottedName(e: Expr): string | undefined {
  if (e.op === "ident") return e.name;
  if (e.op !== "select" || e.optional) return undefined;
  const head = dottedName(e.of);
  return head === undefined ? undefined : `${head}.${e.field}`;
}

/** The identifier that a chain of selections starts from, if it does. */
export function rootOf(e: Expr): ExprOf<"ident"> | undefined {
  if (e.op === "ident") return e;
  return e.op === "select" ? rootOf(e.of) : undefined;
}
