import type { Expression, Node, Property, SpreadElement } from "acorn";

/** A value that an expression has whatever else the script does. */
export interface Constant {
  /** A JSON value, BigInts allowed. */
  readonly value: unknown;
}

/**
 * What an expression gives, if its text alone says so and JSON carries it unchanged: texts, finite numbers, BigInts, booleans, `null`,
 * signs, texts joined by `+`, templates without expressions, and arrays and objects of these. Undefined for all else, which is computed.
 */
export function constantOf(node: Expression | SpreadElement | Node | null | undefined): Constant | undefined {
  const at = node as Expression | null | undefined;
  switch (at?.type) {
    case "Literal":
      return "regex" in at && at.regex ? undefined : carried(at.value);
    case "TemplateLiteral":
      return at.expressions.length === 0 ? carried(at.quasis[0]?.value.cooked) : undefined;
    case "UnaryExpression": {
      const value = constantOf(at.argument)?.value;
      if (at.operator === "-" && (typeof value === "number" || typeof value === "bigint")) return { value: -value };
      return at.operator === "+" && typeof value === "number" ? { value } : undefined;
    }
    case "BinaryExpression": {
      if (at.operator !== "+") return undefined;
      const right = constantOf(at.right)?.value;
      const left = typeof right === "string" ? constantOf(at.left)?.value : undefined;
      return typeof left === "string" && typeof right === "string" ? carried(left + right) : undefined;
    }
    case "ArrayExpression": {
      const values = at.elements.map(constantOf);
      return values.every((one) => one !== undefined) ? { value: values.map(({ value }) => value) } : undefined;
    }
    case "ObjectExpression": {
      const members = at.properties.map((p): [string, unknown] | undefined => {
        const key = p.type === "Property" ? keyOf(p) : undefined;
        const value = p.type === "Property" && key !== undefined ? constantOf(p.value) : undefined;
        return key !== undefined && value ? [key, value.value] : undefined;
      });
      return members.every((one) => one !== undefined) ? { value: Object.fromEntries(members) } : undefined;
    }
    default:
      return undefined;
  }
}

/**
 * The name of the member that a property makes; undefined where the text does not say it, or where it makes none that JSON carries:
 * `__proto__: x` changes what the object inherits.
 */
export function keyOf({ key, computed }: Property): string | undefined {
  if (computed) return undefined;
  const name = key.type === "Identifier" ? key.name : key.type === "Literal" ? String(key.value) : undefined;
  return name === "__proto__" || !name?.isWellFormed() ? undefined : name;
}

function carried(value: unknown): Constant | undefined {
  switch (typeof value) {
    case "string":
      // A lone surrogate has no canonical form.
      return value.isWellFormed() ? { value } : undefined;
    case "number":
      return Number.isFinite(value) ? { value } : undefined;
    case "bigint":
    case "boolean":
      return { value };
    default:
      return value === null ? { value } : undefined;
  }
}
