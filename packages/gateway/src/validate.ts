import { isObject, type JsonObject } from "@callgate/core";
import { Ajv, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { MessageLimits } from "./config/types.ts";

/** Checks a value; a sentence that names the place and the fault, or undefined if there is none. */
export type Check = (value: unknown) => string | undefined;

const OPTIONS = { strict: false, allErrors: false, validateFormats: true, logger: false } as const;
const drafts = {
  latest: withFormats(new Ajv2020(OPTIONS)),
  draft07: withFormats(new Ajv(OPTIONS)),
};

/**
 * Compiles a JSON Schema once: 2020-12 by default (MCP 2025-11-25), draft-07 where `$schema` says so.
 * Throws if the schema is not valid or refers to something outside itself: no schema is ever fetched.
 */
export function compileSchema(schema: JsonObject, what: string): Check {
  const draft07 = typeof schema["$schema"] === "string" && /draft-0[67]/.test(schema["$schema"]);
  const ajv = draft07 ? drafts.draft07 : drafts.latest;
  const { $id: _id, ...anonymous } = schema;
  const validate: ValidateFunction = ajv.compile(anonymous);
  return (value) => {
    if (validate(value)) return undefined;
    const fault = validate.errors?.[0];
    if (!fault) return `${what} do not fit the schema`;
    const at = fault.instancePath === "" ? what : `${what}${fault.instancePath.replaceAll("/", ".")}`;
    return `\`${at}\` ${fault.message ?? "does not fit the schema"}${hint(fault.keyword, fault.params)}`;
  };
}

function hint(keyword: string, params: Record<string, unknown>): string {
  if (keyword === "additionalProperties") return `: \`${String(params["additionalProperty"])}\``;
  if (keyword === "enum") return `: ${JSON.stringify(params["allowedValues"]).slice(0, 200)}`;
  return "";
}

function withFormats<T extends Ajv>(ajv: T): T {
  (addFormats as unknown as (ajv: Ajv) => void)(ajv);
  return ajv;
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
