import { hash } from "node:crypto";

/** Bytes of a hash. */
export const HASH_BYTES = 32;
/** Height of a tile: it holds the hashes of 256 subtrees (C2SP tlog-tiles). */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 1 << TILE_HEIGHT;

/** RFC 6962: SHA-256(0x00 || UTF-8 of the leaf). */
export function leafHash(leaf: string): Buffer {
  return hash("sha256", `\0${leaf}`, "buffer");
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** RFC 6962: SHA-256(0x01 || left || right). */
export function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(pair, 1);
  right.copy(pair, 1 + HASH_BYTES);
  return hash("sha256", pair, "buffer");
}

/** RFC 6962: the root of a tree without leaves. */
export const EMPTY_ROOT = hash("sha256", "", "buffer");

/** A full tile: the 256 hashes of subtrees of height `8 * level`, of which it is the `index`th. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly data: Buffer;
}

/** A complete subtree on the right edge of the tree. */
interface Peak {
  readonly height: number;
  readonly hash: Buffer;
}

/**
 * A Merkle tree (RFC 6962) that grows by leaves and remembers only its right edge: the complete subtrees that its root is made
 * of, and the tiles of each level from 1 on that are not full yet.
 */
export class Tree {
  #size: number;
  #peaks: Peak[];
  /** By level less one: the hashes of the newest, partial tile. */
  readonly #partial: Buffer[][] = [];

  constructor() {
    this.#size = 0;
    this.#peaks = [];
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a leaf by its hash. Returns the tiles of level 1 and above that are full now, mostly none. */
  add(leaf: Buffer): readonly Tile[] {
    return this.addSubtree(0, leaf);
  }

  /** Adds a complete subtree of 2^height leaves. The tree's size MUST be a multiple of that. Tiles below it are not given. */
  addSubtree(height: number, root: Buffer): readonly Tile[] {
    let full: Tile[] | undefined;
    let peak: Peak = { height, hash: root };
    for (let at = height; ; at++) {
      if (at > 0 && at % TILE_HEIGHT === 0 && at >= TILE_HEIGHT) {
        const tile = this.#entry(at / TILE_HEIGHT, peak.hash, height);
        if (tile !== undefined) (full ??= []).push(tile);
      }
      const left = this.#peaks.at(-1);
      if (left?.height !== at) break;
      this.#peaks.pop();
      peak = { height: at + 1, hash: nodeHash(left.hash, peak.hash) };
    }
    this.#peaks.push(peak);
    this.#size += 2 ** height;
    return full ?? NONE;
  }

  /** The root over all leaves. */
  root(): Buffer {
    return (
      this.#peaks.reduceRight<Buffer | undefined>(
        (right, { hash: left }) => (right === undefined ? left : nodeHash(left, right)),
        undefined,
      ) ?? EMPTY_ROOT
    );
  }

  /** One hash of the newest tile of a level from 1 on, while that is not full; undefined for what stands elsewhere. */
  partial(level: number, index: number): Buffer | undefined {
    const first = Math.floor(Math.floor(this.#size / 2 ** (level * TILE_HEIGHT)) / TILE_WIDTH) * TILE_WIDTH;
    return index < first ? undefined : this.#partial[level - 1]?.[index - first];
  }

  #entry(level: number, hash: Buffer, addedHeight: number): Tile | undefined {
    const entries = (this.#partial[level - 1] ??= []);
    entries.push(hash);
    if (entries.length < TILE_WIDTH) return undefined;
    this.#partial[level - 1] = [];
    const width = 2 ** ((level + 1) * TILE_HEIGHT);
    const index = (this.#size + 2 ** addedHeight) / width - 1;
    return { level, index, data: Buffer.concat(entries) };
  }
}

const NONE: readonly Tile[] = [];
