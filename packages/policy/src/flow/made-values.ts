import { decodings, normalise, trimEdges } from "./text.ts";
import { accountOf, bareUrl, hostOf, isShortNumber, lookupKeys, valuesInside } from "./values.ts";
import { WordFilter } from "./word-filter.ts";

const MAX_FORMS = 20_000;
const MAX_LISTED = 400;
const MAX_PARTS = 32;

/**
 * Values that the model put into calls without a ground for them. A server that says one of them again, or keeps it and gives it back,
 * has not vouched for it. Bounded: beyond 20,000 forms a filter without false negatives takes them.
 */
export class MadeValues {
  readonly #forms = new Set<string>();
  #more: WordFilter | undefined;

  add(value: string): void {
    for (const form of formsOf(value)) {
      // Small numbers are in any record: that one was made up once says nothing.
      if (form === "" || isShortNumber(form.replace(/^n:/, ""))) continue;
      if (this.#forms.size < MAX_FORMS) this.#forms.add(form);
      else (this.#more ??= new WordFilter()).add(form);
    }
  }

  /** Whether a field's value is, or has in it, one of these. */
  has(value: string): boolean {
    if (this.#forms.size === 0) return false;
    if (this.#hasForm(value)) return true;
    return valuesInside(value).some((inner) => this.#hasForm(inner));
  }

  #hasForm(value: string): boolean {
    for (const form of formsOf(value)) if (this.#forms.has(form) || this.#more?.has(form)) return true;
    return false;
  }
}

/** The forms under which a value meets another way of writing it. */
export function formsOf(value: string): Set<string> {
  const whole = normalise(value);
  const trimmed = trimEdges(whole);
  const bare = bareUrl(trimmed);
  const forms = new Set([whole, trimmed, bare]);
  if (bare.startsWith("www.")) forms.add(bare.slice(4));
  const account = accountOf(trimmed);
  if (account !== undefined) forms.add(account);
  // A time of day makes another value of a date, and a day without its year is in too many years.
  if (trimmed.length <= 40 && !/\d:\d/.test(trimmed))
    for (const key of lookupKeys(trimmed)) if (!key.startsWith("m:")) forms.add(key);
  return forms;
}

/** A value of an argument, and the values that a server could make of it: decoded, as a list, as a host. */
export function piecesOf(value: string): Set<string> {
  const pieces = new Set([value, ...decodings(value)]);
  for (const text of [...pieces]) {
    for (const inner of valuesInside(text)) {
      pieces.add(inner);
      const host = hostOf(inner);
      if (host !== undefined && host !== inner) pieces.add(host);
    }
    if (text.length > MAX_LISTED) continue;
    for (const part of text.split(/[,;|<>\n]+/, MAX_PARTS)) if (part.trim() !== "") pieces.add(part.trim());
    // Plain words are in any text; what is written with a digit or a sign is a value.
    for (const part of text.split(/\s+/, MAX_PARTS)) if (/[\d@._:/#+-]/.test(part)) pieces.add(part);
  }
  return pieces;
}
