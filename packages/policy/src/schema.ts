import { isObject } from "@callgate/core";
import { BOOL, DOUBLE, DYN, type Field, INT, listOf, mapOf, NULL, STRING, type Type, unionOf } from "./cel/type.ts";

const MAX_DEPTH = 12;
const MAX_ENUM = 200;
/** A schema comes from a tool's server, which may be hostile: recursive references must not multiply. */
const MAX_NODES = 5000;

/**
 * The static type that a JSON Schema gives its values. It MUST NOT be narrower than the schema, but for one thing: an object
 * that names its properties and says nothing of others has no others, since a rule that reads one is a slip of the pen.
 * What it cannot express (conditions, patterns, deep recursion) is `dyn`.
 */
export function typeOfSchema(schema: unknown, name = "args"): Type {
  return new Reader(schema).read(schema, name, 0);
}

class Reader {
  readonly #root: unknown;
  #nodes = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  read(schema: unknown, name: string, depth: number): Type {
    if (!isObject(schema) || depth > MAX_DEPTH || ++this.#nodes > MAX_NODES) return DYN;
    const referred = typeof schema.$ref === "string" ? this.#resolve(schema.$ref) : undefined;
    if (typeof schema.$ref === "string") return this.read(referred, name, depth + 1);
    if ("const" in schema) return typeOfValues([schema.const]);
    if (Array.isArray(schema.enum)) return typeOfValues(schema.enum);
    for (const key of ["anyOf", "oneOf"]) {
      const members = schema[key];
      if (!Array.isArray(members)) continue;
      const { [key]: _, ...base } = schema;
      const types = members.map((member) => this.#both(base, member, name, depth + 1));
      return this.#nullable(schema, unionOf(types));
    }
    if (Array.isArray(schema.allOf)) {
      const { allOf, ...base } = schema;
      return allOf
        .map((part) => this.read(part, name, depth + 1))
        .reduce(intersect, hasShape(base) ? this.read(base, name, depth + 1) : DYN);
    }
    return this.#nullable(schema, this.#plain(schema, name, depth));
  }

  /** A member of a union beside what all members share. */
  #both(base: Record<string, unknown>, member: unknown, name: string, depth: number): Type {
    const type = this.read(member, name, depth);
    return hasShape(base) ? intersect(this.read(base, name, depth), type) : type;
  }

  #nullable(schema: Record<string, unknown>, type: Type): Type {
    return schema.nullable === true ? unionOf([type, NULL]) : type;
  }

  #plain(schema: Record<string, unknown>, name: string, depth: number): Type {
    const { type } = schema;
    if (Array.isArray(type)) return unionOf(type.map((one) => this.#plain({ ...schema, type: one }, name, depth)));
    switch (type) {
      case "string":
        return STRING;
      case "integer":
        return INT;
      case "number":
        return DOUBLE;
      case "boolean":
        return BOOL;
      case "null":
        return NULL;
      case "array":
        return listOf(this.#items(schema, name, depth));
      case "object":
        return this.#object(schema, name, depth);
      default:
        return isObject(schema.properties) ? this.#object(schema, name, depth) : DYN;
    }
  }

  #items(schema: Record<string, unknown>, name: string, depth: number): Type {
    const tuple = Array.isArray(schema.prefixItems)
      ? schema.prefixItems
      : Array.isArray(schema.items)
        ? schema.items
        : undefined;
    if (!tuple) return this.read(schema.items, `${name}[]`, depth + 1);
    const rest = Array.isArray(schema.items) ? schema.additionalItems : schema.items;
    const types = tuple.map((item) => this.read(item, `${name}[]`, depth + 1));
    if (rest !== false) types.push(this.read(rest, `${name}[]`, depth + 1));
    return unionOf(types);
  }

  #object(schema: Record<string, unknown>, name: string, depth: number): Type {
    const properties = isObject(schema.properties) ? schema.properties : {};
    const required = new Set(Array.isArray(schema.required) ? schema.required : []);
    const fields = new Map<string, Field>();
    for (const [key, value] of Object.entries(properties)) {
      fields.set(key, { type: this.read(value, `${name}.${key}`, depth + 1), optional: !required.has(key) });
    }
    const rest = this.#rest(schema, name, depth, fields.size > 0);
    if (fields.size === 0 && rest) return mapOf(STRING, rest);
    return rest ? { kind: "object", name, fields, rest } : { kind: "object", name, fields };
  }

  #rest(schema: Record<string, unknown>, name: string, depth: number, named: boolean): Type | undefined {
    const { additionalProperties: additional, patternProperties, unevaluatedProperties } = schema;
    if (isObject(patternProperties) || unevaluatedProperties === true) return DYN;
    if (isObject(additional)) return this.read(additional, `${name}.*`, depth + 1);
    if (additional === true) return DYN;
    return additional === false || named ? undefined : DYN;
  }

  #resolve(reference: string): unknown {
    if (!reference.startsWith("#")) return undefined;
    let at: unknown = this.#root;
    for (const part of reference.slice(1).split("/").slice(1)) {
      const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
      at = (at as { readonly [key: string]: unknown })[key];
    }
    return at;
  }
}

function hasShape(schema: Record<string, unknown>): boolean {
  return "type" in schema || "properties" in schema || "items" in schema;
}

function typeOfValues(values: readonly unknown[]): Type {
  if (values.length > 0 && values.every((value) => typeof value === "string")) {
    return values.length <= MAX_ENUM ? { kind: "string", values: values as string[] } : STRING;
  }
  return unionOf(
    values.map((value) => {
      if (value === null) return NULL;
      if (typeof value === "string") return STRING;
      if (typeof value === "boolean") return BOOL;
      if (typeof value === "number") return Number.isInteger(value) ? INT : DOUBLE;
      return DYN;
    }),
  );
}

/** What satisfies both types, as far as it can be told. */
function intersect(a: Type, b: Type): Type {
  if (a.kind === "dyn") return b;
  if (b.kind === "dyn") return a;
  if (a.kind === "union") return unionOf(a.of.map((member) => intersect(member, b)));
  if (b.kind === "union") return unionOf(b.of.map((member) => intersect(a, member)));
  if (a.kind === "map" && b.kind === "object") return b;
  if (a.kind !== "object" || b.kind !== "object") return a;
  const fields = new Map(a.fields);
  for (const [key, field] of b.fields) {
    const known = fields.get(key);
    fields.set(
      key,
      known ? { type: intersect(known.type, field.type), optional: known.optional && field.optional } : field,
    );
  }
  const rest = a.rest ?? b.rest;
  return rest ? { kind: "object", name: a.name, fields, rest } : { kind: "object", name: a.name, fields };
}
