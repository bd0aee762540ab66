import { exactNumber } from "@callgate/core";

/**
 * Reads a Python literal of dicts, lists, tuples, strings, numbers, `None`, `True` and `False`, as tools written in Python
 * print their results. Undefined for anything else.
 */
export function readLiteral(text: string): unknown {
  const reader = new Reader(text);
  try {
    const value = reader.value(0);
    return reader.done() ? value : undefined;
  } catch (error) {
    if (error === MALFORMED) return undefined;
    throw error;
  }
}

// One object for all: a stack trace would cost more than the reading.
const MALFORMED = new Error("malformed");
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
  b: "\b",
  f: "\f",
};
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["None", null],
  ["True", true],
  ["False", false],
]);

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  done(): boolean {
    this.#space();
    return this.#at === this.#text.length;
  }

  value(depth: number): unknown {
    if (depth > 64) throw MALFORMED;
    this.#space();
    const c = this.#text[this.#at];
    if (c === "{") return this.#dict(depth);
    if (c === "[" || c === "(") return this.#list(c === "[" ? "]" : ")", depth);
    if (c === "'" || c === '"') return this.#string(c);
    const plain = /[\w.+-]+/y;
    plain.lastIndex = this.#at;
    const word = plain.exec(this.#text)?.[0];
    if (word === undefined) throw MALFORMED;
    this.#at += word.length;
    if (WORDS.has(word)) return WORDS.get(word);
    const number = Number(word);
    if (Number.isNaN(number)) throw MALFORMED;
    return exactNumber(number, word);
  }

  #space(): void {
    while (" \n\t\r".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
  }

  /** True if the next character is this one, which is then taken. */
  #take(c: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== c) return false;
    this.#at += 1;
    return true;
  }

  #dict(depth: number): unknown {
    this.#at += 1;
    const entries: [string, unknown][] = [];
    while (!this.#take("}")) {
      const key = this.value(depth + 1);
      // A container as a key has no text that could be told.
      if (typeof key === "object" && key !== null) throw MALFORMED;
      if (!this.#take(":")) throw MALFORMED;
      entries.push([String(key), this.value(depth + 1)]);
      if (!this.#take(",")) {
        if (this.#take("}")) break;
        throw MALFORMED;
      }
    }
    return Object.fromEntries(entries);
  }

  #list(end: string, depth: number): unknown {
    this.#at += 1;
    const items: unknown[] = [];
    while (!this.#take(end)) {
      items.push(this.value(depth + 1));
      if (!this.#take(",")) {
        if (this.#take(end)) break;
        throw MALFORMED;
      }
    }
    return items;
  }

  #string(quote: string): string {
    let out = "";
    let i = this.#at + 1;
    for (;;) {
      const c = this.#text[i];
      if (c === undefined) throw MALFORMED;
      if (c === quote) break;
      if (c === "\\") {
        const next = this.#text[i + 1] ?? "";
        const width = next === "x" ? 2 : next === "u" ? 4 : next === "U" ? 8 : 0;
        if (width > 0) {
          const digits = this.#text.slice(i + 2, i + 2 + width);
          const code = /^[0-9a-f]+$/i.test(digits) ? Number.parseInt(digits, 16) : Number.NaN;
          if (!(code <= 0x10ffff)) throw MALFORMED;
          out += String.fromCodePoint(code);
        } else out += ESCAPES[next] ?? `\\${next}`;
        i += 2 + width;
      } else {
        out += c;
        i += 1;
      }
    }
    this.#at = i + 1;
    return out;
  }
}
