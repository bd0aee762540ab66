import { CallgateError, canonicalJson, holdsBigInt, isObject, type JsonObject } from "@callgate/core";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { MessageLimits } from "./config/types.ts";
import { validateExactly, withExactBounds } from "./exact-keywords.ts";

/** What is wrong with a value: a sentence that names the place and the fault. */
export interface Fault {
  /** For whoever wrote the value: it may name members that they made up. */
  readonly told: string;
  /** For the record, with no word of theirs: a member that the schema does not name is `*`. */
  readonly kept: string;
}

/** Checks a value; undefined if nothing is wrong with it. */
export type Check = (value: unknown) => Fault | undefined;

const OPTIONS = { strict: false, allErrors: false, validateFormats: true, logger: false } as const;
const drafts = {
  latest: withFormats(new Ajv2020(OPTIONS)),
  draft07: withFormats(new Ajv(OPTIONS)),
};
/** For values with whole numbers beyond 2^53, which are BigInts: the validator itself knows doubles alone. */
const exactDrafts = {
  latest: withExactBounds(withFormats(new Ajv2020(OPTIONS))),
  draft07: withExactBounds(withFormats(new Ajv(OPTIONS))),
};

/**
 * Compiles a JSON Schema once: 2020-12 by default (MCP 2025-11-25), draft-07 where `$schema` says so.
 * Throws if the schema is not valid or refers to something outside itself: no schema is ever fetched.
 */
export function compileSchema(schema: JsonObject, what: string): Check {
  const draft07 = typeof schema["$schema"] === "string" && /draft-0[67]/.test(schema["$schema"]);
  const draft = draft07 ? "draft07" : "latest";
  const { $id: _id, ...anonymous } = schema;
  const plain: ValidateFunction = drafts[draft].compile(anonymous);
  let exact: ValidateFunction | undefined;
  let known: ReadonlySet<string> | undefined;
  return (value) => {
    let used = plain;
    if (holdsBigInt(value)) {
      // Compiled for the first value that needs it: most tools never meet one.
      exact ??= exactDrafts[draft].compile(anonymous);
      used = exact;
    }
    if (used === exact ? validateExactly(exact, value) : plain(value)) return undefined;
    const fault = used.errors?.[0];
    if (!fault) return { told: `${what} do not fit the schema`, kept: `${what} do not fit the schema` };
    const { instancePath, keyword, params, message = "does not fit the schema" } = fault;
    known ??= keysIn(anonymous);
    const kept = instancePath
      .split("/")
      .map((key) => (key === "" || /^\d{1,4}$/.test(key) || known?.has(key) ? key : "*"));
    const allowed = hint(keyword, params);
    const more = keyword === "additionalProperties" ? `: \`${String(params["additionalProperty"])}\`` : "";
    return {
      told: `\`${what}${instancePath.replaceAll("/", ".")}\` ${message}${allowed}${more}`,
      kept: `\`${what}${kept.join(".")}\` ${message}${allowed}`,
    };
  };
}

/** Every name in a schema, as a path has it: those of members, and the schema's own words. */
function keysIn(schema: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof schema !== "object" || schema === null) return found;
  for (const [key, inner] of Object.entries(schema)) {
    found.add(key.replaceAll("~", "~0").replaceAll("/", "~1"));
    keysIn(inner, found);
  }
  return found;
}

function hint(keyword: string, params: Record<string, unknown>): string {
  if (keyword === "enum") return `: ${JSON.stringify(params["allowedValues"]).slice(0, 200)}`;
  return "";
}

function withFormats<T extends Ajv>(ajv: T): T {
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  return ajv;
}

/** The canonical JSON of arguments; undefined for what has none: an infinite number, a lone surrogate. */
export function canonicalText(args: unknown): string | undefined {
  try {
    return canonicalJson(args);
  } catch (error) {
    if (error instanceof CallgateError) return undefined;
    throw error;
  }
}

/** The ceilings on the size of arguments, checked before any schema. `text` is their JSON. */
export function checkLimits(
  args: unknown,
  text: string,
  limits: MessageLimits,
  argumentBytes: number | undefined,
): string | undefined {
  const bytes = Math.min(limits.argumentBytes, argumentBytes ?? Number.POSITIVE_INFINITY);
  if (text.length > bytes || (text.length * 3 > bytes && Buffer.byteLength(text) > bytes))
    return `the arguments are over ${bytes} bytes`;
  if (text.length * 3 > limits.stringBytes && hasLongString(args, limits.stringBytes))
    return `a string in the arguments is over ${limits.stringBytes} bytes`;
  return undefined;
}

function hasLongString(value: unknown, limit: number): boolean {
  if (typeof value === "string") return Buffer.byteLength(value) > limit;
  if (Array.isArray(value)) return value.some((v) => hasLongString(v, limit));
  if (isObject(value))
    return Object.entries(value).some(([k, v]) => hasLongString(k, limit) || hasLongString(v, limit));
  return false;
}
