import { isObject } from "./json.ts";

/** What Node 24 has and TypeScript's library does not know yet: the text of a literal while parsing, and literals written as they are. */
interface SourceJson {
  parse(text: string, revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
}
const json = JSON as unknown as SourceJson;

/** A number with an exponent. Without one, a number beyond 2^53 has 16 digits in a row; both may be met in a string, for nothing. */
const EXPONENT = /\d[eE]\+?\d+(?:[\s,}\]]|$)/;
const RUN = 16;

/**
 * `JSON.parse`, but a whole number beyond 2^53 is a BigInt: exact where the text has its digits, else the double that it stands for.
 * A number is a BigInt if and only if its canonical form is more digits than a double holds, so that canonical text parses to equal
 * values. Throws what `JSON.parse` throws. What is beyond every double, such as `1e400`, becomes infinite, as it does there: that has no
 * canonical form.
 */
export function parseJson(text: string): unknown {
  if (!hasLongRun(text) && !EXPONENT.test(text)) return JSON.parse(text);
  return json.parse(text, (_, value, { source }) =>
    typeof value === "number" && source !== undefined ? exactNumber(value, source) : value,
  );
}

/** A number as `parseJson` gives it. `source` is how it was written, without a leading plus. */
export function exactNumber(value: number, source: string): number | bigint {
  // Beyond 10^21 a double's canonical form has an exponent; a literal of digits alone has them at any size.
  if (!Number.isInteger(value) || Number.isSafeInteger(value)) return value;
  if (/^-?\d+$/.test(source)) return BigInt(source);
  return Math.abs(value) < 1e21 ? BigInt(String(value)) : value;
}

/** `JSON.stringify` of a JSON value, with BigInts as their digits. */
export function stringifyJson(value: unknown, indent?: number): string {
  try {
    return JSON.stringify(value, undefined, indent);
  } catch (error) {
    // That is how a BigInt shows itself, without a look at every value before.
    if (!(error instanceof TypeError)) throw error;
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? raw(inner) : inner), indent);
  }
}

/** Whether there is a BigInt anywhere in a JSON value. */
export function holdsBigInt(value: unknown): boolean {
  if (typeof value === "bigint") return true;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(holdsBigInt);
  for (const key in value) if (holdsBigInt((value as Record<string, unknown>)[key])) return true;
  return false;
}

/** The same value with BigInts as doubles, for readers that know no others; a copy only if there are any. */
export function roundedJson(value: unknown): unknown {
  return holdsBigInt(value) ? replaced(value, Number) : value;
}

/** The same value in a form that `JSON.stringify` writes exactly, for writers that are not ours; a copy only if there is a BigInt. */
export function writableJson(value: unknown): unknown {
  return holdsBigInt(value) ? replaced(value, raw) : value;
}

function raw(value: bigint): object {
  return json.rawJSON(String(value));
}

function replaced(value: unknown, put: (value: bigint) => unknown): unknown {
  if (typeof value === "bigint") return put(value);
  if (Array.isArray(value)) return value.map((inner) => replaced(inner, put));
  if (!isObject(value)) return value;
  // `fromEntries` defines members, so that `__proto__` stays one.
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaced(inner, put)]));
}

/** Whether 16 digits stand in a row. A look at every 16th character finds each such row, and is ten times faster than a pattern. */
function hasLongRun(text: string): boolean {
  for (let at = RUN - 1; at < text.length; at += RUN) {
    if (!isDigit(text, at)) continue;
    let start = at;
    while (isDigit(text, start - 1)) start--;
    let end = at;
    while (isDigit(text, end + 1)) end++;
    if (end - start + 1 >= RUN) return true;
  }
  return false;
}

/** False outside the text too, where the code is NaN. */
function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}
