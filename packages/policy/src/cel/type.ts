/** A field of an object type. */
export interface Field {
  readonly type: Type;
  /** May be absent: a rule should ask `has()` first. */
  readonly optional: boolean;
}

/** The static type of an expression. */
export type Type =
  | {
      readonly kind: "dyn" | "null" | "bool" | "int" | "uint" | "double" | "bytes" | "timestamp" | "duration";
    }
  | { readonly kind: "string"; readonly values?: readonly string[] }
  | { readonly kind: "list" | "optional"; readonly of: Type }
  | { readonly kind: "map"; readonly key: Type; readonly value: Type }
  | { readonly kind: "type"; readonly of: Type }
  /**
   * A JSON object. `rest` is the type of fields that are not named; absent if there MUST be none. `missing` says what to do about
   * one that is not there.
   */
  | {
      readonly kind: "object";
      readonly name: string;
      readonly fields: ReadonlyMap<string, Field>;
      readonly rest?: Type;
      readonly missing?: (field: string) => string;
    }
  /** One of several; an operation is refused only if it suits none of them. */
  | { readonly kind: "union"; readonly of: readonly Type[] }
  | { readonly kind: "opaque"; readonly name: string; readonly params: readonly Type[] }
  | { readonly kind: "param"; readonly name: string };

export const DYN: Type = { kind: "dyn" };
export const NULL: Type = { kind: "null" };
export const BOOL: Type = { kind: "bool" };
export const INT: Type = { kind: "int" };
export const UINT: Type = { kind: "uint" };
export const DOUBLE: Type = { kind: "double" };
export const STRING: Type = { kind: "string" };
export const BYTES: Type = { kind: "bytes" };
export const TIMESTAMP: Type = { kind: "timestamp" };
export const DURATION: Type = { kind: "duration" };

export function listOf(of: Type): Type {
  return { kind: "list", of };
}

export function mapOf(key: Type, value: Type): Type {
  return { kind: "map", key, value };
}

export function optionalOf(of: Type): Type {
  return { kind: "optional", of };
}

/** A closed object type of the given fields; a name ending in `?` is optional. */
export function objectOf(name: string, fields: Readonly<Record<string, Type>>): Type {
  const entries = Object.entries(fields).map(([key, type]): [string, Field] => {
    const optional = key.endsWith("?");
    return [optional ? key.slice(0, -1) : key, { type, optional }];
  });
  return { kind: "object", name, fields: new Map(entries) };
}

/** The union of types: flat, without repetitions, `dyn` if any is. */
export function unionOf(types: readonly Type[]): Type {
  const flat: Type[] = [];
  for (const type of types.flatMap((t) => (t.kind === "union" ? t.of : [t]))) {
    if (type.kind === "dyn") return DYN;
    const text = type.kind === "string" ? flat.findIndex((known) => known.kind === "string") : -1;
    if (text >= 0) flat[text] = eitherString(flat[text] as StringType, type as StringType);
    else if (!flat.some((known) => sameType(known, type))) flat.push(type);
  }
  return flat.length === 1 ? (flat[0] as Type) : { kind: "union", of: flat };
}

type StringType = Type & { readonly kind: "string" };

/** The strings that are of one type or the other. */
export function eitherString(a: StringType, b: StringType): Type {
  return a.values && b.values ? { kind: "string", values: [...new Set([...a.values, ...b.values])] } : STRING;
}

/** A type as people write it. */
export function typeText(type: Type): string {
  switch (type.kind) {
    case "list":
    case "optional":
      return `${type.kind}<${typeText(type.of)}>`;
    case "map":
      return `map<${typeText(type.key)}, ${typeText(type.value)}>`;
    case "type":
      return "type";
    case "object":
      return `object ${type.name}`;
    case "union":
      return type.of.map(typeText).join(" | ");
    case "opaque":
      return type.params.length ? `${type.name}<${type.params.map(typeText).join(", ")}>` : type.name;
    case "param":
      return type.name;
    default:
      return type.kind;
  }
}

/** A type with its article, for messages. */
export function phrase(type: Type): string {
  const text = typeText(type);
  if (text === "dyn") return "a value of unknown type";
  return `${/^[aeio]/.test(text) ? "an" : "a"} ${text}`;
}

/** Whether two types are the same in every part. Objects are only if they are one. */
export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind || a.kind === "object") return false;
  const [x, y] = [partsOf(a), partsOf(b)];
  return typeText(a) === typeText(b) && x.length === y.length && x.every((part, i) => sameType(part, y[i] as Type));
}

/** The types that a type is made of, the fields of objects apart. */
export function partsOf(type: Type): readonly Type[] {
  switch (type.kind) {
    case "list":
    case "optional":
    case "type":
      return [type.of];
    case "union":
      return type.of;
    case "map":
      return [type.key, type.value];
    case "opaque":
      return type.params;
    default:
      return [];
  }
}

const SIMPLE: ReadonlyMap<string, Type> = new Map<string, Type>([
  ["dyn", DYN],
  ["null", NULL],
  ["bool", BOOL],
  ["int", INT],
  ["uint", UINT],
  ["double", DOUBLE],
  ["string", STRING],
  ["bytes", BYTES],
  ["timestamp", TIMESTAMP],
  ["duration", DURATION],
  ["number", { kind: "union", of: [INT, UINT, DOUBLE] }],
  ["google.protobuf.Timestamp", TIMESTAMP],
  ["google.protobuf.Duration", DURATION],
]);

/** Reads a type such as `list<map<string, A>>`. A single capital letter is a type parameter. Throws on anything malformed. */
export function parseType(text: string): Type {
  const tokens = text.match(/[\w.]+|[<>,]/g) ?? [];
  let at = 0;
  const read = (): Type => {
    const name = tokens[at++];
    if (name === undefined || /[<>,]/.test(name)) throw new TypeError(`malformed type \`${text}\``);
    const params: Type[] = [];
    if (tokens[at] === "<") {
      do {
        at += 1;
        params.push(read());
      } while (tokens[at] === ",");
      if (tokens[at++] !== ">") throw new TypeError(`malformed type \`${text}\``);
    }
    const [first = DYN, second = DYN] = params;
    if (name === "list" || name === "optional") return { kind: name, of: first };
    if (name === "map") return mapOf(first, second);
    if (name === "type") return { kind: "type", of: first };
    if (/^[A-Z]$/.test(name)) return { kind: "param", name };
    return SIMPLE.get(name) ?? { kind: "opaque", name, params };
  };
  const type = read();
  if (at !== tokens.length) throw new TypeError(`malformed type \`${text}\``);
  return type;
}
