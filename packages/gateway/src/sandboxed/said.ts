/** Between the words of a text: what separates values in prose and in lists. */
const BETWEEN = /[\s,;<>()[\]{}"'`|]+/;
/** What stands at the end of a sentence, and not of a value. */
const END = /[.!?:]+$/;

/** What code says by itself: the texts and numbers that stand in it, and the words of these. Built once, and then asked by a hash alone. */
export class Said {
  readonly #texts = new Set<string>();

  constructor(literals: readonly string[]) {
    for (const literal of literals) {
      this.#texts.add(literal);
      if (literal.length < 4) continue;
      for (const word of literal.split(BETWEEN)) {
        // Parts of words do not count: an alphabet in the code would say everything.
        if (word.length < 4) continue;
        this.#texts.add(word);
        this.#texts.add(word.replace(END, ""));
      }
    }
  }

  has(text: string): boolean {
    return this.#texts.has(text) || this.#texts.has(text.toLowerCase());
  }
}
