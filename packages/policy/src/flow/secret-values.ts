import { decodings, eachWord, normalise, wordsOf } from "./text.ts";

const MAX_VALUES = 2_000;
const MAX_EVICTED = 20_000;
const MAX_LENGTH = 200;
const MIN_LENGTH = 5;
/** Secrets meet by their first characters; a text is searched once for each length that these have. */
const KEY_LENGTH = 16;
/** Secrets with the same first characters beyond which these alone are enough: a search MUST NOT grow with their number. */
const MAX_ALIKE = 16;
/** A short word is in too many texts to say anything. */
const PLAIN_WORD = /^\p{L}{1,7}$/u;
const MIN_TOKEN = 8;

/**
 * The secret values of a session, found again inside longer texts: a letter that has a password in it carries the password.
 *
 * INVARIANT: bounded, and never by looking away. The oldest beyond 2,000 are known by their first 16 characters alone; beyond
 * 20,000 of these, every text that could hold a secret counts as holding one.
 */
export class SecretValues {
  /** Origins by secret, by the secret's first characters. */
  readonly #byKey = new Map<string, Map<string, readonly string[]>>();
  /** Lengths of keys that occur, of values and of evicted ones. */
  readonly #lengths = new Set<number>();
  /** The keys of secrets in order of age, by the secret. */
  readonly #order = new Map<string, string>();
  readonly #evicted = new Set<string>();
  readonly #evictedOrigins = new Set<string>();
  #isFull = false;

  /** A text that is secret, with what else is said of it. Of a longer text, what looks like a secret by itself. */
  add(text: string, origins: readonly string[]): void {
    if (text.length <= MAX_LENGTH) this.#addOne(text, origins);
    else eachToken(text, (token) => this.#addOne(token, origins));
  }

  /** The origins of the secrets that a text has in it, also under percent encoding, base64 and hex. */
  in(text: string): Set<string> {
    const found = new Set<string>();
    if (this.#order.size === 0) return found;
    this.#look(normalise(text), found);
    for (const decoded of decodings(text)) this.#look(normalise(decoded), found);
    return found;
  }

  #addOne(text: string, origins: readonly string[]): void {
    const normal = normalise(text);
    const [first] = wordsOf(normal.slice(0, MAX_LENGTH + 1));
    if (!first || normal.length < MIN_LENGTH || PLAIN_WORD.test(normal)) return;
    const secret = normal.slice(first.start);
    if (this.#order.has(secret)) return;
    const key = secret.slice(0, KEY_LENGTH);
    let alike = this.#byKey.get(key);
    if (!alike) this.#byKey.set(key, (alike = new Map()));
    alike.set(secret, origins);
    this.#lengths.add(key.length);
    this.#order.set(secret, key);
    if (this.#order.size > MAX_VALUES) this.#evict();
  }

  #evict(): void {
    const [secret, key] = this.#order.entries().next().value as [string, string];
    this.#order.delete(secret);
    const alike = this.#byKey.get(key) as Map<string, readonly string[]>;
    for (const origin of alike.get(secret) as readonly string[]) this.#evictedOrigins.add(origin);
    alike.delete(secret);
    if (alike.size === 0) this.#byKey.delete(key);
    if (this.#evicted.size < MAX_EVICTED) this.#evicted.add(key);
    else if (!this.#evicted.has(key)) this.#isFull = true;
  }

  #look(normal: string, found: Set<string>): void {
    if (this.#isFull && normal.length >= MIN_LENGTH) for (const origin of this.#evictedOrigins) found.add(origin);
    eachWord(normal, (start) => {
      for (const length of this.#lengths) {
        const key = normal.slice(start, start + length);
        if (key.length < length) continue;
        if (this.#evicted.has(key)) for (const origin of this.#evictedOrigins) found.add(origin);
        const alike = this.#byKey.get(key);
        if (!alike) continue;
        for (const [secret, origins] of alike)
          if (alike.size > MAX_ALIKE || normal.startsWith(secret, start))
            for (const origin of origins) found.add(origin);
      }
    });
  }
}

/**
 * What looks like a secret inside a longer text: a run of 8 characters or more without white space, quotes, commas and semicolons,
 * with a letter and a digit. Longer runs are cut at 200. One pass.
 */
function eachToken(text: string, visit: (token: string) => void): void {
  let start = 0;
  let hasDigit = false;
  let hasLetter = false;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 32;
    const ends = code <= 32 || code === 0xa0 || code === 0xfeff || "\"'`,;\u2028\u2029".includes(text[i] as string);
    if (ends || i - start === MAX_LENGTH) {
      if (i - start >= MIN_TOKEN && hasDigit && hasLetter) visit(text.slice(start, i));
      start = ends ? i + 1 : i;
      hasDigit = false;
      hasLetter = false;
    }
    if (code >= 48 && code <= 57) hasDigit = true;
    else if ((code | 32) >= 97 && (code | 32) <= 122) hasLetter = true;
  }
}
