import type { Findings } from "./finding.ts";
import { emptyRoot, Frontier, HASH, Subtrees, TILE } from "./merkle.ts";
import { RANGE, RANGE_HEIGHT, type RangeResult } from "./range.ts";
import { addTally, newTally } from "./tally.ts";

/** Joins what was found of ranges, which MUST come in order, into what there is to say of the whole log. */
export class Whole {
  readonly tally = newTally();
  /** Records from the first on over which the tree could be built. */
  size = 0;
  /** The root of that tree. */
  root: Buffer = emptyRoot();
  /** Roots at the sizes that were wanted. */
  readonly roots = new Map<number, Buffer>();
  readonly #findings: Findings;
  readonly #frontier = new Frontier();
  readonly #intents = new Set<string>();
  readonly #tiles: Uint8Array[] = [];
  #good = 0;
  #listed = false;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  add(range: RangeResult): void {
    this.#findings.merge(range.findings, range.counts);
    addTally(this.tally, range.tally);
    for (const call of range.outcomes) this.#intents.delete(call);
    for (const call of range.intents) this.#intents.add(call);
    // Behind a missing record no tree can be built.
    if (this.size !== range.first - 1 || range.root === undefined) return;
    const roots = new Map(range.parts.map(({ size, root }) => [size, this.#frontier.rootWith(Buffer.from(root))]));
    for (const { size, root } of range.claims) {
      const own = roots.get(size);
      if (own !== undefined) this.#claim(size, own.equals(root));
    }
    for (const [size, root] of roots) this.roots.set(size, root);
    this.root = this.#frontier.rootWith(Buffer.from(range.root));
    this.size += range.leaves;
    this.#tiles.push(range.tiles);
    if (range.leaves === RANGE) this.#frontier.push(RANGE_HEIGHT, Buffer.from(range.root));
  }

  /** Intents whose call has no outcome. */
  get open(): number {
    return this.#intents.size;
  }

  /** The tiles that the tree has, by level from 1 on: only full ones. */
  *tiles(): Generator<{ readonly level: number; readonly index: number; readonly data: Buffer }> {
    let nodes = Buffer.concat(this.#tiles);
    for (let level = 1; nodes.length >= TILE * HASH; level++) {
      const above: Buffer[] = [];
      for (let index = 0; (index + 1) * TILE * HASH <= nodes.length; index++) {
        const data = nodes.subarray(index * TILE * HASH, (index + 1) * TILE * HASH);
        yield { level, index, data };
        above.push(new Subtrees(data, TILE).rootAt(TILE));
      }
      nodes = Buffer.concat(above);
    }
  }

  #claim(size: number, right: boolean): void {
    if (right) {
      this.#good = size;
      this.#listed = false;
      return;
    }
    // Each later checkpoint is wrong too where a record was changed: the first one says where.
    if (this.#listed) this.#findings.count("checkpoint-root");
    else {
      const which = this.#good + 1 === size ? `record ${size}` : `one of the records ${this.#good + 1} to ${size}`;
      const problem = `the checkpoint of ${size} records signs other ones: ${which} was changed, or the checkpoint`;
      this.#findings.add("integrity", "checkpoint-root", problem, this.#good + 1, size);
    }
    this.#listed = true;
  }
}
