import type { Label } from "@callgate/core";

const REST = 65_536;

/** Collects what is beyond the parts that are told from one another, and passes it on in pieces. */
export class Rest {
  readonly #pass: (text: string, extra: ReadonlySet<Label>) => void;
  readonly #extra = new Set<Label>();
  #texts: string[] = [];
  #size = 0;

  constructor(pass: (text: string, extra: ReadonlySet<Label>) => void) {
    this.#pass = pass;
  }

  add(text: string, extra: readonly Label[]): void {
    for (const label of extra) this.#extra.add(label);
    this.#texts.push(text);
    this.#size += text.length;
    if (this.#size > REST) this.end();
  }

  end(): void {
    if (this.#texts.length > 0) this.#pass(this.#texts.join("\n"), this.#extra);
    this.#texts = [];
    this.#size = 0;
  }
}
