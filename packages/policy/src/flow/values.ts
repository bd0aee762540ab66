import { exactNumber } from "@callgate/core";
import { normalise } from "./text.ts";

const MONTHS = new Map(
  [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
  ].flatMap((name, i): [string, number][] => [
    [name, i + 1],
    [name.slice(0, 3), i + 1],
  ]),
);
const MONTH =
  "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";
const DAY = "(\\d{1,2})(?:st|nd|rd|th)?";
const YEAR = "(?:,? +(\\d{4}))?";
const TO = "(?: *(?:to|till|until|through|and|-) *(?:the +)?)";
const ISO = /\b(\d{4})-(\d{1,2})-(\d{1,2})\b/g;
const SLASHED = /\b(\d{1,2})[/.](\d{1,2})[/.](\d{4})\b/g;
const DAY_FIRST = new RegExp(`\\b(?:${DAY}${TO})?${DAY}(?: +of)? +${MONTH}\\b${YEAR}`, "g");
const MONTH_FIRST = new RegExp(`\\b${MONTH}\\.? +(?:the +)?${DAY}(?:${TO}${DAY}(?![\\d:]))?\\b${YEAR}`, "g");
const HAS_MONTH = new RegExp(`\\b${MONTH}\\b`);
const NUMBER = /(?<![\w.])[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])\d+(?:\.\d+)?(?![\w])/g;
// Groups of an account number have digits, all of them; an IBAN begins anew even after another number.
const ACCOUNT = /\b(?=(?:[ -]?[a-z0-9]){8,40}\b)[a-z]{0,4}\d[a-z0-9]*(?:[ -](?=[a-z]{0,4}\d)[a-z0-9]{1,8}){0,9}\b/g;
const IBAN = /\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?\b/g;

function hasDigits(text: string, wanted: number): boolean {
  let found = 0;
  for (let i = 0; i < text.length && found < wanted; i++) {
    const code = text.charCodeAt(i);
    if (code >= 48 && code <= 57) found += 1;
  }
  return found >= wanted;
}

function* accountsIn(text: string): Generator<string> {
  if (text.length < 8 || !hasDigits(text, 6)) return;
  for (const [piece] of text.matchAll(ACCOUNT)) yield piece;
  for (const [piece] of text.matchAll(IBAN)) yield piece;
}

/**
 * The canonical keys of what a normalised text mentions in several ways of writing: dates (`d:2024-05-01`, or `m:05-01` without
 * a year), quantities (`n:1000`) and numbers of accounts, cards and phones (`a:de8937040044`). A day mentioned as the end of
 * a range counts as well.
 */
export function keysOf(text: string): Set<string> {
  const keys = new Set<string>();
  if (!/\d/.test(text)) return keys;
  for (const [, y, m, d] of text.matchAll(ISO)) date(keys, Number(y), Number(m), Number(d));
  for (const [, a, b, y] of text.matchAll(SLASHED)) {
    // Both orders are in use, and the text does not say which: either may be meant.
    date(keys, Number(y), Number(a), Number(b));
    date(keys, Number(y), Number(b), Number(a));
  }
  if (HAS_MONTH.test(text)) {
    for (const [, from, day, month = "", year] of text.matchAll(DAY_FIRST)) dates(keys, year, month, [from, day]);
    for (const [, month = "", day, to, year] of text.matchAll(MONTH_FIRST)) dates(keys, year, month, [day, to]);
  }
  for (const [number] of text.matchAll(NUMBER)) {
    const digits = number.replaceAll(",", "");
    const value = exactNumber(Number(digits), digits.replace(/^\+/, ""));
    if (typeof value === "bigint" || Number.isFinite(value)) keys.add(`n:${value}`);
  }
  for (const piece of accountsIn(text)) {
    const account = accountOf(piece);
    if (account) keys.add(`a:${account}`);
  }
  return keys;
}

function dates(
  keys: Set<string>,
  year: string | undefined,
  month: string,
  days: readonly (string | undefined)[],
): void {
  const number = MONTHS.get(month.slice(0, 3)) ?? 0;
  for (const day of days)
    if (day !== undefined) date(keys, year === undefined ? undefined : Number(year), number, Number(day));
}

function date(keys: Set<string>, year: number | undefined, month: number, day: number): void {
  if (month < 1 || month > 12 || day < 1 || day > 31) return;
  const rest = `${String(month).padStart(2, "0")}-${String(day).padStart(2, "0")}`;
  keys.add(year === undefined ? `m:${rest}` : `d:${year}-${rest}`);
}

/** The account, card or phone number that a text is, without spaces and hyphens; undefined if it is none. */
export function accountOf(text: string): string | undefined {
  if (/^\d{4}-\d{1,2}-\d{1,2}/.test(text)) return undefined;
  const compact = text.replace(/[ -]/g, "");
  if (compact.length < 8 || compact.length > 40 || !/^[a-z0-9]+$/.test(compact)) return undefined;
  return (compact.match(/\d/g)?.length ?? 0) >= 6 ? compact : undefined;
}

/** The keys under which a value that is an argument is looked up: dates also without their year. */
export function lookupKeys(text: string): string[] {
  const trimmed = text.trim();
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[t ].*)?$/.exec(trimmed);
  if (iso) return [`d:${iso[1]}`, `m:${(iso[1] as string).slice(5)}`];
  const keys: string[] = [];
  // A longer text that mentions a day is not that day.
  if (trimmed.length > 60) return keys;
  for (const key of keysOf(trimmed)) {
    // What is only a part of the value is not the value.
    if (key.startsWith("n:") && !/^[-+$€£ ]*[\d.,]+[ $€£%]*$/.test(trimmed)) continue;
    if (key.startsWith("a:") && accountOf(trimmed) !== key.slice(2)) continue;
    keys.push(key);
  }
  return keys;
}

// Bounded, and begun only where a run begins: text from outside MUST NOT make a search take quadratic time.
const EMAIL = /(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}[\p{L}\p{N}-]{1,63}/gu;
const URLISH =
  /(?<![a-z0-9.-])(?:[a-z][a-z0-9+.-]{1,15}:\/\/[^\s"'<>()[\]{}]{1,2048}|www\.[^\s"'<>()[\]{}]{1,2048}|(?:[a-z0-9-]{1,63}\.){1,8}(?:com|org|net|io|dev|app|ai|co|me|info|biz|xyz|ly|gg|sh|site|online|top|ru|cn|de|uk|fr|eu|us|ch|edu|gov)(?![a-z0-9-])(?:\/[^\s"'<>()[\]{}]{0,2048})?)/g;

/** The values inside a longer text that say where something goes: e-mail addresses, URLs and hosts, account numbers. */
export function valuesInside(text: string): string[] {
  const normal = normalise(text);
  const found = new Set<string>();
  for (const [email] of normal.matchAll(EMAIL)) found.add(withoutEnd(email, "."));
  for (const match of normal.matchAll(URLISH)) {
    if (normal[match.index - 1] === "@") continue;
    found.add(withoutEnd(match[0], ".,;:!?"));
  }
  if (/\d/.test(normal)) {
    for (const piece of accountsIn(normal)) if (accountOf(piece)) found.add(piece);
  }
  return [...found];
}

const HOST = /^(?:(?:[\p{L}\p{N}_-]+\.)+[\p{L}\p{N}-]{2,}|\d+(?:\.\d+){3})$/u;
const MAX_URL = 2_048;

/**
 * The host that a URL leads to, or what people write for one (`www.example.com/page`), as a URL parser tells it; undefined for anything
 * else, and where parsers differ or readers are misled: user information, backslashes, control characters, other widths of `/?#@:.`.
 */
export function hostOf(value: string): string | undefined {
  if (value.length > MAX_URL) return undefined;
  const text = normalise(value);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  if (/[\x00-\x20\x7f\\]/.test(text) || marksOf(value) !== marksOf(text)) return undefined;
  const scheme = /^[a-z][a-z0-9+.-]*:\/\//.exec(text)?.[0];
  const rest = text.slice(scheme?.length ?? 0);
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  if (authority === "" || authority.includes("@")) return undefined;
  const written = authority.replace(/:\d{1,5}$/, "");
  // Without a scheme, a colon is another one's: `mailto:`, `javascript:`.
  if (!HOST.test(written)) return undefined;
  const parsed = URL.parse(`${scheme ?? "https://"}${rest}`);
  if (!parsed || parsed.username !== "" || parsed.password !== "") return undefined;
  // A name beyond ASCII stands in the index as it is written.
  if (!isAscii(written)) return written;
  const host = parsed.hostname.toLowerCase();
  return HOST.test(host) ? host : undefined;
}

/** What tells the parts of a URL from one another. */
function marksOf(text: string): string {
  return text.replace(/[^/?#@:.\\]/g, "");
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

/** A URL without its scheme and without slashes at its end, which people leave out. */
export function bareUrl(text: string): string {
  return withoutEnd(text.replace(/^[a-z][a-z0-9+.-]*:\/\//, ""), "/");
}

/** By hand: a pattern for the end of a text looks at each run of these characters once for each of them. */
function withoutEnd(text: string, characters: string): string {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1] as string)) end -= 1;
  return text.slice(0, end);
}

/** A number of up to four digits. */
export function isShortNumber(text: string): boolean {
  return /^\d{1,4}$/.test(text);
}
