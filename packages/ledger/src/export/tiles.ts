import { CallgateError } from "@callgate/core";
import { TILE_WIDTH } from "../merkle.ts";
import type { LedgerTree } from "./tree.ts";

/** One file of a tlog-tiles directory. */
export interface TileFile {
  /** Relative to the directory, with `/` between its parts. */
  readonly path: string;
  readonly data: Buffer;
  /** True for a file that a larger tree replaces by a full one. */
  readonly partial: boolean;
}

/** Most bytes of an entry in a bundle, whose length is a uint16. */
const LONGEST_ENTRY = 65_535;

/**
 * The tiles and entry bundles (C2SP tlog-tiles) that a tree of the size of the tree's checkpoint has and one of `before` leaves did not have; all of them
 * for `before` 0. Bundles of which records were archived are left out. The checkpoint itself is not among them: it MUST be written last.
 */
export function* tileFiles(tree: LedgerTree, before: number): Generator<TileFile, void> {
  const { size } = tree.checkpoint;
  for (const [index, width] of tilesBetween(before, size)) {
    const leaves = tree.leaves(index, width);
    const partial = width < TILE_WIDTH;
    if (leaves.length === width) yield { path: tilePath("entries", index, width), data: entryBundle(leaves), partial };
    yield { path: tilePath(0, index, width), data: tree.hashes(0, index, width), partial };
  }
  let [was, is] = [before, size];
  for (let level = 1; is >= TILE_WIDTH; level++) {
    was = Math.floor(was / TILE_WIDTH);
    is = Math.floor(is / TILE_WIDTH);
    for (const [index, width] of tilesBetween(was, is))
      yield {
        path: tilePath(level, index, width),
        data: tree.hashes(level, index, width),
        partial: width < TILE_WIDTH,
      };
  }
}

/** The path of a tile or an entry bundle: `tile/0/x001/234.p/17`. */
export function tilePath(level: number | "entries", index: number, width: number): string {
  const digits = String(index).padStart(Math.ceil(String(index).length / 3) * 3, "0");
  const parts = digits.match(/\d{3}/g) ?? [];
  const name = parts.map((part, i) => (i < parts.length - 1 ? `x${part}` : part)).join("/");
  return `tile/${level}/${name}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** The leaves one after another, each with its length before it in two bytes, high byte first. */
export function entryBundle(leaves: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const leaf of leaves) {
    const entry = Buffer.from(leaf);
    if (entry.length > LONGEST_ENTRY)
      throw new CallgateError("LEDGER_CORRUPT", `a leaf is longer than ${LONGEST_ENTRY} bytes`, {
        help: "run `callgate ledger verify`",
      });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    parts.push(length, entry);
  }
  return Buffer.concat(parts);
}

/** Index and width of the tiles that a level of `is` hashes has and one of `was` did not have. */
function* tilesBetween(was: number, is: number): Generator<readonly [index: number, width: number], void> {
  if (was === is) return;
  for (let index = Math.floor(was / TILE_WIDTH); index * TILE_WIDTH < is; index++)
    yield [index, Math.min(TILE_WIDTH, is - index * TILE_WIDTH)];
}
