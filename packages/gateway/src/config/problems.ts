import { type Diagnostic, isObject } from "@callgate/core";
import * as z from "zod";
import type { Path, Source } from "./source.ts";
import { nearest, quoteList } from "./suggest.ts";

/** The part of a generated JSON Schema that messages use. */
export interface SchemaNode {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly const?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** The JSON Schema (2020-12) of what a person may write. */
export function inputSchema(schema: z.ZodType): SchemaNode & Record<string, unknown> {
  const drawn = z.toJSONSchema(schema, {
    io: "input",
    override({ jsonSchema }) {
      // zod writes the range of safe integers where no limit was asked for.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  // zod drops `examples` wherever something is transformed, since it takes them for the output's. Ours are what a person writes.
  return JSON.parse(JSON.stringify(drawn), (_, value: unknown) => {
    if (!isObject(value) || !("example" in value) || !("type" in value || "anyOf" in value)) return value;
    const { example, ...rest } = value;
    return { ...rest, examples: [example] };
  }) as SchemaNode & Record<string, unknown>;
}

function nodeAt(schema: SchemaNode, path: Path): SchemaNode {
  let node = schema;
  for (const step of path) {
    const more = typeof node.additionalProperties === "object" ? node.additionalProperties : undefined;
    const known = node.properties;
    const own = known && typeof step === "string" && Object.hasOwn(known, step) ? known[step] : undefined;
    node = own ?? (typeof step === "number" ? node.items : undefined) ?? more ?? {};
  }
  return node;
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (v, step) => (typeof v === "object" && v !== null ? Reflect.get(v, step) : undefined),
    value,
  );
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "text",
  number: "number",
  integer: "whole number",
  boolean: "`true` or `false`",
  array: "list",
  object: "mapping",
};

/** "a duration", "`true` or `false`", "1". */
function kindOf(node: SchemaNode): string {
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  const noun =
    node.type === "object" || node.type === "array" ? NOUNS[node.type] : (node.title ?? NOUNS[node.type ?? ""]);
  if (noun === undefined) return "something else";
  if (noun.startsWith("`")) return noun;
  return /^[aeiou]/.test(noun) ? `an ${noun}` : `a ${noun}`;
}

/** True where a value may be a secret and MUST NOT be shown. */
function mayBeSecret(path: Path): boolean {
  return path.some((step) => step === "env" || step === "headers");
}

/** A short form of what was written. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (isObject(value)) return "a mapping";
  const text = String(value);
  return `\`${text.length > 60 ? `${text.slice(0, 60)}…` : text}\``;
}

/** `key: value` on one line, as it would be typed. */
function snippet(path: Path, node: SchemaNode): string | undefined {
  const key = path.at(-1);
  const example = node.examples?.[0] ?? node.const ?? node.default;
  if (example === undefined || (isObject(example) && Object.keys(example).length === 0)) return undefined;
  const text = typeof example === "string" ? example : flow(example);
  return typeof key === "string" ? `\`${key}: ${text}\`` : `\`${text}\``;
}

function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (isObject(value))
    return `{ ${Object.entries(value)
      .map(([k, v]) => `${k}: ${flow(v)}`)
      .join(", ")} }`;
  return String(value);
}

/** Turns what zod found into diagnostics with spans and help. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], source: Source, schema: SchemaNode): Diagnostic[] {
  return issues.flatMap((issue) => problemOf(issue, source, schema));
}

function problemOf(issue: z.core.$ZodIssue, source: Source, schema: SchemaNode): Diagnostic[] {
  const path = issue.path;
  const node = nodeAt(schema, path);
  const value = valueAt(source.value, path);
  const key = path.length > 0 ? `\`${String(path.at(-1))}\`` : "the file";
  const subject = typeof path.at(-1) === "number" ? `an entry of \`${String(path.at(-2))}\`` : key;
  const write = snippet(path, node);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = Object.keys(node.properties ?? {});
      return issue.keys.map((k) => ({
        message: `unknown key \`${k}\`${path.length > 0 ? ` in ${key}` : ""}`,
        span: source.keyAt([...path, k]),
        help:
          nearest(k, known) === undefined
            ? `the keys here are ${quoteList(known)}`
            : `did you mean \`${nearest(k, known)}\`?`,
      }));
    }
    case "invalid_key": {
      const inner = issue.issues[0];
      return [{ message: inner?.message ?? `${key} is not a usable name`, span: source.keyAt(path), ...helpOf(inner) }];
    }
    case "custom":
      return [{ message: issue.message, span: source.at(path), ...helpOf(issue) }];
    case "too_small":
    case "too_big": {
      const range =
        node.minimum !== undefined && node.maximum !== undefined
          ? `write a whole number from ${node.minimum} to ${node.maximum}`
          : `write ${write}`;
      const most = issue.code === "too_big" ? `at most ${issue.maximum}` : `at least ${issue.minimum}`;
      return [{ message: `${subject} must be ${most}, not ${shown(value)}`, span: source.at(path), help: range }];
    }
    default:
      break;
  }
  const known = Object.keys(node.properties ?? {});
  const help = write
    ? `write ${write}`
    : known.length > 0
      ? `its keys are ${quoteList(known)}`
      : "put the value in quotes";
  if (value === undefined) {
    const around = path.length > 1 ? ` in \`${String(path.at(-2))}\`` : "";
    return [{ message: `missing key ${key}${around}`, span: source.at(path), help: help.replace(/^write /, "add ") }];
  }
  if (value === null) return [{ message: `${subject} has no value`, span: source.at(path), help }];
  if (node.enum && typeof value !== "object") {
    return [
      {
        message: `${shown(value)} is not a known ${node.title}`,
        span: source.at(path),
        help: `use one of ${quoteList(node.enum)}`,
      },
    ];
  }
  const not = mayBeSecret(path) ? "" : `, not ${shown(value)}`;
  return [{ message: `${subject} must be ${kindOf(node)}${not}`, span: source.at(path), help }];
}

function helpOf(issue: z.core.$ZodIssue | undefined): { help?: string } {
  const help: unknown = issue?.code === "custom" ? issue.params?.["help"] : undefined;
  return typeof help === "string" ? { help } : {};
}
