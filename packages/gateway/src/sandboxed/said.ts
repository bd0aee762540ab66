/** Between the words of a text: what separates values in prose and in lists. */
const BETWEEN = /[\s,;<>()[\]{}"'`|]+/;
/** What stands at the end of a sentence, and not of a value. */
const END = ".!?:";
/** Parts of words do not count: an alphabet in the code would say everything. */
const SHORTEST = 4;

/** What code says by itself: the texts and numbers that stand in it, and the words of these. Built once, and then asked by a hash alone. */
export class Said {
  readonly #texts = new Set<string>();

  constructor(literals: readonly string[]) {
    for (const literal of literals) {
      this.#texts.add(literal);
      if (literal.length < SHORTEST) continue;
      for (const word of literal.split(BETWEEN)) {
        if (word.length < SHORTEST) continue;
        this.#texts.add(word);
        this.#texts.add(withoutEnd(word));
      }
    }
  }

  has(text: string): boolean {
    // A sign is no part of a number where it stands in code.
    const value = text.startsWith("-") ? text.slice(1) : text;
    return [text, value].some((one) => this.#texts.has(one) || this.#texts.has(one.toLowerCase()));
  }
}

/** In one pass from the end: a pattern would begin anew at each of a million dots. */
function withoutEnd(word: string): string {
  let end = word.length;
  while (end > 0 && END.includes(word[end - 1] as string)) end--;
  return word.slice(0, end);
}
