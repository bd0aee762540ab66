import type { Ajv, SchemaValidateFunction, ValidateFunction } from "ajv";

type Numeric = number | bigint;

/** How JavaScript compares a BigInt with a double: exactly. */
const BOUNDS: Readonly<Record<string, { readonly holds: (value: Numeric, bound: number) => boolean; says: string }>> = {
  maximum: { holds: (value, bound) => value <= bound, says: "be <=" },
  minimum: { holds: (value, bound) => value >= bound, says: "be >=" },
  exclusiveMaximum: { holds: (value, bound) => value < bound, says: "be <" },
  exclusiveMinimum: { holds: (value, bound) => value > bound, says: "be >" },
  multipleOf: { holds: isMultiple, says: "be multiple of" },
};

/** What each container was copied from. */
const originals = new WeakMap<object, Readonly<Record<string, unknown>>>();

/**
 * Checks a value in which whole numbers beyond 2^53 are BigInts: a copy of it, with the nearest doubles. `validate` MUST come from a
 * validator that went through `withExactBounds`, so that bounds see the BigInts.
 */
export function validateExactly(validate: ValidateFunction, value: unknown): boolean {
  const parentData = roundedCopy({ value }) as { readonly value: unknown };
  const rootData = parentData.value as object;
  return validate(rootData, {
    instancePath: "",
    parentData,
    parentDataProperty: "value",
    rootData,
    dynamicAnchors: {},
  });
}

function roundedCopy(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null) return value;
  const copy: object = Array.isArray(value)
    ? value.map(roundedCopy)
    : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, roundedCopy(inner)]));
  originals.set(copy, value as Record<string, unknown>);
  return copy;
}

/** Puts exact numeric bounds in the place of the validator's own. `const`, `enum` and `uniqueItems` go on comparing doubles. */
export function withExactBounds<T extends Ajv>(ajv: T): T {
  for (const [keyword, { holds, says }] of Object.entries(BOUNDS)) {
    const validate: SchemaValidateFunction = (bound: number, rounded: number, _schema, at) => {
      const original = at && originals.get(at.parentData as object)?.[at.parentDataProperty];
      if (holds(typeof original === "bigint" ? original : rounded, bound)) return true;
      validate.errors = [{ keyword, params: {}, message: `must ${says} ${bound}` }];
      return false;
    };
    ajv.removeKeyword(keyword);
    ajv.addKeyword({ keyword, type: "number", schemaType: "number", errors: true, validate });
  }
  return ajv;
}

function isMultiple(value: Numeric, of: number): boolean {
  if (typeof value === "bigint" && Number.isInteger(of) && of !== 0) return value % BigInt(of) === 0n;
  return Number.isInteger(Number(value) / of);
}
