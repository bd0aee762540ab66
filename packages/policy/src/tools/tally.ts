import type { LedgerRecord } from "@callgate/core";

/** A record that shows what a count is made of. */
export interface Example {
  readonly seq: number;
  readonly ts: string;
  readonly agent?: string;
  readonly call?: string;
}

export type Counted<T> = T & {
  readonly calls: number;
  /** The newest ones, oldest of them first. */
  readonly examples: readonly Example[];
};

/** Counts calls by what they have in common, and keeps the newest few of each. What it holds grows with the kinds, not with the calls. */
export class Tally<T extends object> {
  readonly #groups = new Map<string, { readonly of: T; calls: number; readonly examples: Example[] }>();
  readonly #keep: number;

  constructor(examples: number) {
    this.#keep = examples;
  }

  /** `key` MUST say all of `of`. */
  add(key: string, of: T, { seq, ts, agent, call }: LedgerRecord): void {
    let group = this.#groups.get(key);
    if (!group) {
      group = { of, calls: 0, examples: [] };
      this.#groups.set(key, group);
    }
    group.calls++;
    if (this.#keep === 0) return;
    if (group.examples.length === this.#keep) group.examples.shift();
    group.examples.push({ seq, ts, ...(agent !== undefined && { agent }), ...(call !== undefined && { call }) });
  }

  /** The largest first; equals in the order they were met. */
  groups(): Counted<T>[] {
    return [...this.#groups.values()]
      .sort((a, b) => b.calls - a.calls)
      .map(({ of, calls, examples }) => ({ ...of, calls, examples: [...examples] }));
  }
}

/** How many calls each text stands for, the largest first. */
export class Counts {
  readonly #counts = new Map<string, number>();

  add(text: string): void {
    this.#counts.set(text, (this.#counts.get(text) ?? 0) + 1);
  }

  entries(): [text: string, calls: number][] {
    return [...this.#counts].sort((a, b) => b[1] - a[1]);
  }
}
