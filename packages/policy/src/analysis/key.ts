import type { Expr } from "../cel/ast.ts";
import { numericOf, type Value } from "../cel/value.ts";

/**
 * A text that two expressions share only if they are the same but for spaces, parentheses, quotes and comments: then they have the same
 * value in any one evaluation.
 */
export function keyOf(e: Expr): string {
  switch (e.op) {
    case "literal":
      return `${e.kind}:${literalText(e.value)}`;
    case "ident":
      return `${e.absolute ? "." : ""}${e.name}`;
    case "select":
      return `(${keyOf(e.of)}${e.optional ? ".?" : "."}${JSON.stringify(e.field)})`;
    case "index":
      return `(${keyOf(e.of)}${e.optional ? "[?" : "["}${keyOf(e.index)}])`;
    case "call":
      return `(${e.target ? keyOf(e.target) : ""} ${e.name}(${e.args.map(keyOf).join(",")}))`;
    case "list":
      return `[${e.items.map((item, i) => `${e.optionals[i] ? "?" : ""}${keyOf(item)}`).join(",")}]`;
    case "map":
      return `{${e.entries.map((entry) => `${entry.optional ? "?" : ""}${keyOf(entry.key)}:${keyOf(entry.value)}`).join(",")}}`;
    case "not":
      return `!${keyOf(e.of)}`;
    case "negate":
      return `-${keyOf(e.of)}`;
    case "and":
    case "or":
      return `(${e.terms.map(keyOf).join(e.op === "and" ? "&&" : "||")})`;
    case "cond":
      return `(${keyOf(e.test)}?${keyOf(e.then)}:${keyOf(e.otherwise)})`;
    case "binary":
      return `(${keyOf(e.left)} ${e.operator} ${keyOf(e.right)})`;
    default:
      return e satisfies never;
  }
}

function literalText(value: Value): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  const number = numericOf(value);
  if (number !== undefined) return Object.is(number, -0) ? "-0" : String(number);
  return JSON.stringify(value);
}
