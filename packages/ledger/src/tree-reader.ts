import type { Database } from "better-sqlite3";
import { HASH_BYTES, nodeHash, TILE_HEIGHT, TILE_WIDTH, Tree } from "./merkle.ts";
import type { NodeOf } from "./proof.ts";

/** Hashes that are kept because they had to be computed. */
const CACHED = 4096;

/**
 * Reads nodes of the tree from the file: its tiles, and where there is none yet the hashes of the leaves. `known` may give a
 * hash of a level from 1 on that somebody has at hand. Throws for a node beyond what the file holds.
 */
export function treeReader(db: Database, known?: (level: number, index: number) => Buffer | undefined): NodeOf {
  const tiles = tileReader(db);
  const computed = new Map<string, Buffer>();

  /** Hashes of a level, `many` from the `from`th on, all in one tile. */
  const some = (level: number, from: number, many: number): Buffer[] => {
    const tile = Math.floor(from / TILE_WIDTH);
    const stored = level === 0 ? tiles.leaves(tile) : tiles.full(level, tile);
    const first = from % TILE_WIDTH;
    if (stored !== undefined) return split(stored.subarray(first * HASH_BYTES, (first + many) * HASH_BYTES));
    return Array.from({ length: many }, (_, i) => {
      const index = from + i;
      const cached = known?.(level, index) ?? computed.get(`${level}/${index}`);
      if (cached !== undefined) return cached;
      const hash = rootOfFull(some(level - 1, index * TILE_WIDTH, TILE_WIDTH), TILE_WIDTH);
      if (computed.size >= CACHED) computed.clear();
      computed.set(`${level}/${index}`, hash);
      return hash;
    });
  };

  return (height, index) => {
    const level = Math.floor(height / TILE_HEIGHT);
    const many = 2 ** (height % TILE_HEIGHT);
    return rootOfFull(some(level, index * many, many), many);
  };
}

/** The tree of a file with `size` records, from its tiles and the newest hashes. */
export function rebuildTree(db: Database, size: number): Tree {
  const tree = new Tree();
  const tiles = tileReader(db);
  let level = 0;
  while (size >= TILE_WIDTH ** (level + 1)) level++;
  for (; level > 0; level--) {
    const end = Math.floor(size / TILE_WIDTH ** level);
    for (let index = tree.size / TILE_WIDTH ** level; index < end; index++) {
      const data = level === 1 ? tiles.leaves(index) : tiles.full(level - 1, index);
      if (data?.length !== TILE_WIDTH * HASH_BYTES) throw new Error(`the tile ${level - 1}/${index} is missing`);
      tree.addSubtree(level * TILE_HEIGHT, rootOfFull(split(data), TILE_WIDTH));
    }
  }
  const rest = size % TILE_WIDTH;
  const leaves = split(tiles.leaves((size - rest) / TILE_WIDTH)).slice(0, rest);
  if (leaves.length < rest) throw new Error("records are missing");
  for (const leaf of leaves) tree.add(leaf);
  return tree;
}

/** Reads tiles, and the hashes of leaves as if they were tiles of level 0. */
export function tileReader(db: Database) {
  const tile = db.prepare<[number, number], Buffer>("SELECT data FROM tile WHERE level = ? AND idx = ?").pluck();
  const hashes = db
    .prepare<[number, number], Buffer>("SELECT hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq")
    .pluck();
  // A proof asks for one tile's leaves once a height. Those of a full tile never change.
  let last: { readonly index: number; readonly data: Buffer } | undefined;
  return {
    full: (level: number, index: number): Buffer | undefined => tile.get(level, index),
    /** The hashes of leaves `256 * index` and on; fewer than 256 at the log's end. */
    leaves(index: number): Buffer {
      if (last?.index === index) return last.data;
      // Of records that were archived the hashes are kept, the last of them in a tile that is not full.
      const kept = tile.get(0, index) ?? Buffer.alloc(0);
      const from = index * TILE_WIDTH;
      const data =
        kept.length === TILE_WIDTH * HASH_BYTES
          ? kept
          : Buffer.concat([kept, ...hashes.all(from + kept.length / HASH_BYTES, from + TILE_WIDTH)]);
      if (data.length === TILE_WIDTH * HASH_BYTES) last = { index, data };
      return data;
    },
  };
}

function split(data: Buffer): Buffer[] {
  return Array.from({ length: data.length / HASH_BYTES }, (_, i) => hashIn(data, i));
}

function hashIn(data: Buffer, index: number): Buffer {
  return data.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
}

/** The root over a power of two of hashes. Throws if they are fewer. */
function rootOfFull(hashes: readonly Buffer[], many: number): Buffer {
  if (hashes.length !== many) throw new Error("the hash of a record is missing");
  let level = hashes;
  while (level.length > 1)
    level = Array.from({ length: level.length / 2 }, (_, i) =>
      nodeHash(level[2 * i] as Buffer, level[2 * i + 1] as Buffer),
    );
  return level[0] as Buffer;
}
