import { type Diagnostic, isObject } from "@callgate/core";
import type * as z from "zod";
import type { Findings } from "./findings.ts";
import { inputSchema, problemsOf, type SchemaNode } from "./problems.ts";
import { type Path, parseSource, type Source } from "./source.ts";
import { nearest } from "./suggest.ts";

/** A format: the schema of what is written, compiled once. */
export interface Format<T> {
  readonly schema: z.ZodType<T>;
  readonly json: SchemaNode;
  /** What stands in for missing keys at the top, so that the rest is still checked. */
  readonly minimum: Readonly<Record<string, unknown>>;
  /** Help for a missing key, where an example would mislead. */
  readonly missing?: (path: Path, source: Source) => string | undefined;
}

export function format<T>(
  schema: z.ZodType<T>,
  minimum: Format<T>["minimum"],
  missing?: Format<T>["missing"],
): Format<T> {
  return { schema, minimum, json: inputSchema(schema), ...(missing && { missing }) };
}

/** A document that was read: its source, and what of it is usable. */
export interface Parsed<T> {
  readonly source: Source;
  readonly value: T;
}

/**
 * Parses a text of a format. Every problem goes to `findings`; where there are some, `value` holds what is left without the
 * parts that are wrong, so that the checks after this one still say what they can. Undefined: nothing is left.
 */
export function parseDocumentOf<T>(
  file: string,
  text: string,
  form: Format<T>,
  findings: Findings,
): Parsed<T> | undefined {
  const read = parseSource(file, text);
  if (!read.ok) {
    findings.errors.push(...read.diagnostics);
    return undefined;
  }
  const source = read.value;
  const version = isObject(source.value) ? source.value["version"] : undefined;
  if (version !== undefined && version !== 1) {
    const number = typeof version === "number";
    findings.error(
      number ? `version \`${version}\` is not known` : "`version` must be the number 1",
      source.at(["version"]),
      number ? "write `version: 1`; a newer format needs a newer callgate" : "write `version: 1`, without quotes",
    );
    return undefined;
  }
  const result = form.schema.safeParse(source.value);
  if (result.success) return { source, value: result.data };
  const { issues } = result.error;
  const problems = issues.flatMap((issue): Diagnostic[] => {
    if (isMisspelt(issue, issues, source)) return [];
    const help = issue.code === "invalid_type" ? form.missing?.(issue.path, source) : undefined;
    return problemsOf([issue], source, form.json).map((p) => (help === undefined ? p : { ...p, help }));
  });
  findings.errors.push(...problems);
  const value = salvage(form, source.value, issues);
  return value === undefined ? undefined : { source, value };
}

/** True for a key that is missing only because an unknown key beside it, which is reported, is that key misspelt. */
function isMisspelt(issue: z.core.$ZodIssue, all: readonly z.core.$ZodIssue[], source: Source): boolean {
  const key = issue.path.at(-1);
  const parent = issue.path.slice(0, -1);
  if (issue.code !== "invalid_type" || typeof key !== "string" || source.has(issue.path)) return false;
  return all.some(
    (other) =>
      other.code === "unrecognized_keys" &&
      other.path.join("\0") === parent.join("\0") &&
      other.keys.some((unknown) => nearest(unknown, [key]) !== undefined),
  );
}

/** Takes the wrong parts out, and what needs them, until the rest parses. */
function salvage<T>(form: Format<T>, value: unknown, first: readonly z.core.$ZodIssue[]): T | undefined {
  const rest = structuredClone(value);
  let issues = first;
  for (let round = 0; round < 16; round++) {
    for (const issue of issues) {
      if (issue.code === "unrecognized_keys") for (const key of issue.keys) remove(rest, [...issue.path, key]);
      else remove(rest, issue.path);
    }
    const result = form.schema.safeParse(isObject(rest) ? { ...form.minimum, ...rest } : rest);
    if (result.success) return result.data;
    issues = result.error.issues;
  }
  return undefined;
}

/** Removes what stands at `path`, or the nearest part around it that is there. An entry of a list takes its list along. */
function remove(root: unknown, path: Path): void {
  for (let depth = path.length; depth > 0; depth--) {
    const key = path[depth - 1];
    const parent = path
      .slice(0, depth - 1)
      .reduce<unknown>((v, step) => (isObject(v) ? v[String(step)] : undefined), root);
    if (key !== undefined && isObject(parent) && Object.hasOwn(parent, key)) {
      delete parent[String(key)];
      return;
    }
  }
}
