import { canonicalJson, compileGlobs, isObject, parseJson } from "@callgate/core";
import { RE2JS } from "re2js";
import { replaceAt } from "./json-path.ts";
import { REDACTED } from "./redact.ts";

/** What is kept out of the record. A rule without a path holds for every text, one without a pattern takes the whole value. */
export interface RedactRule {
  /** JSONPath in the arguments and in the result. */
  readonly path?: string;
  /** RE2. */
  readonly pattern?: string;
  /** Globs over `server__tool`; all tools without them. */
  readonly tools?: readonly string[];
}

/** The JSON text of a tool's arguments or result as it may be recorded: the same text if nothing in it is to be kept out. */
export type Redaction = (tool: string, text: string) => string;

/** Compiles the rules. Throws for a path or a pattern that cannot be read: what does nothing MUST NOT pass for a redaction. */
export function compileRedaction(rules: readonly RedactRule[]): Redaction {
  const compiled = rules.map(({ path, pattern, tools }) => {
    if (path !== undefined) replaceAt({}, path, (value) => value);
    const re = pattern === undefined ? undefined : RE2JS.compile(pattern);
    const take = (value: unknown): unknown => (re === undefined ? REDACTED : inTexts(value, re));
    return {
      concerns: tools === undefined ? () => true : compileGlobs(tools),
      apply: (value: unknown): unknown => (path === undefined ? take(value) : replaceAt(value, path, take)),
    };
  });
  return (tool, text) => {
    const own = compiled.filter(({ concerns }) => concerns(tool));
    if (own.length === 0) return text;
    const before = parseJson(text);
    const after = own.reduce((value, { apply }) => apply(value), before);
    const [old, now] = [canonicalJson(before), canonicalJson(after)];
    return old === now ? text : now;
  };
}

function inTexts(value: unknown, re: RE2JS): unknown {
  if (typeof value === "string") return re.matcher(value).replaceAll(REDACTED);
  if (Array.isArray(value)) return value.map((inner: unknown) => inTexts(inner, re));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inTexts(inner, re)]));
}
