import { decodings, normalise, wordsOf } from "./text.ts";

const MAX_VALUES = 2_000;
const MAX_LENGTH = 200;
const MIN_LENGTH = 5;
/** A short word is in too many texts to say anything. */
const PLAIN_WORD = /^\p{L}{1,7}$/u;
const MAX_TOKENS = 64;
/** What looks like a secret inside a longer text: a run without spaces, with letters and digits. */
const TOKEN = /(?=[^\s"'`,;]*\d)(?=[^\s"'`,;]*[a-z])[^\s"'`,;]{8,200}/gi;

interface Secret {
  readonly text: string;
  readonly origins: readonly string[];
}

/**
 * The secret values of a session, found again inside longer texts: a letter that has a password in it carries the password. Bounded:
 * the oldest are forgotten beyond 2,000.
 */
export class SecretValues {
  readonly #byFirstWord = new Map<string, Secret[]>();
  readonly #order: string[] = [];

  /** A text that is secret, with what else is said of it. Of a longer text, what looks like a secret by itself. */
  add(text: string, origins: readonly string[]): void {
    if (text.length <= MAX_LENGTH) this.#addOne(text, origins);
    else for (const [token] of [...text.matchAll(TOKEN)].slice(0, MAX_TOKENS)) this.#addOne(token, origins);
  }

  /** The origins of the secrets that a text has in it, also under percent encoding, base64 and hex. */
  in(text: string): Set<string> {
    const found = new Set<string>();
    if (this.#byFirstWord.size === 0) return found;
    this.#look(normalise(text), found);
    for (const decoded of decodings(text)) this.#look(normalise(decoded), found);
    return found;
  }

  #addOne(text: string, origins: readonly string[]): void {
    const normal = normalise(text);
    const [first] = wordsOf(normal);
    if (!first || normal.length < MIN_LENGTH || PLAIN_WORD.test(normal)) return;
    const known = this.#byFirstWord.get(first.word) ?? [];
    const secret = normal.slice(first.start);
    if (known.some((one) => one.text === secret)) return;
    this.#byFirstWord.set(first.word, [...known, { text: secret, origins }]);
    this.#order.push(first.word);
    if (this.#order.length > MAX_VALUES) this.#byFirstWord.delete(this.#order.shift() as string);
  }

  #look(normal: string, found: Set<string>): void {
    for (const { word, start } of wordsOf(normal)) {
      for (const { text, origins } of this.#byFirstWord.get(word) ?? [])
        if (normal.startsWith(text, start)) for (const origin of origins) found.add(origin);
    }
  }
}
