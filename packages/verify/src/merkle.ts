import { hash } from "node:crypto";

/** Bytes of a hash. */
export const HASH = 32;
/** Hashes in a full tile (C2SP tlog-tiles, height 8). */
export const TILE = 256;

const pair = Buffer.alloc(1 + 2 * HASH);
pair[0] = 1;

/** RFC 6962: the hash of a leaf's text, SHA-256(0x00 || UTF-8), in hex. */
export function leafHash(text: string): string {
  return hash("sha256", `\0${text}`, "hex");
}

/** RFC 6962: the hash of a node, SHA-256(0x01 || left || right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH);
  return Buffer.from(hash("sha256", pair, "binary"), "latin1");
}

/** The root of a tree without leaves: SHA-256 of nothing. */
export function emptyRoot(): Buffer {
  return hash("sha256", "", "buffer");
}

/** All complete subtrees over a run of leaves that begins where a subtree of its size may begin. */
export class Subtrees {
  readonly count: number;
  /** By height; each holds the hashes of its complete subtrees, one after another. */
  readonly #levels: Buffer[];

  constructor(leaves: Buffer, count: number) {
    this.count = count;
    this.#levels = [leaves];
    for (let below = leaves, many = count >> 1; many > 0; many >>= 1) {
      const level = Buffer.allocUnsafe(many * HASH);
      for (let i = 0; i < many; i++) {
        below.copy(pair, 1, i * 2 * HASH, (i + 1) * 2 * HASH);
        level.write(hash("sha256", pair, "binary"), i * HASH, HASH, "latin1");
      }
      this.#levels.push(level);
      below = level;
    }
  }

  /** The hashes of all complete subtrees of a height. */
  level(height: number): Buffer {
    return this.#levels[height] ?? Buffer.alloc(0);
  }

  /** The root of the tree over the first `n` leaves, 1 to `count`. */
  rootAt(n: number): Buffer {
    let root: Buffer | undefined;
    for (let height = 0; n >> height > 0; height++) {
      if (((n >> height) & 1) === 0) continue;
      const end = (n >> height) * HASH;
      const peak = this.level(height).subarray(end - HASH, end);
      root = root === undefined ? peak : nodeHash(peak, root);
    }
    return root ?? emptyRoot();
  }
}

/** The complete subtrees to the left of what comes next: all that a growing tree needs to remember. */
export class Frontier {
  readonly #peaks: { readonly height: number; readonly hash: Buffer }[] = [];

  /** Adds a complete subtree. INVARIANT: none is higher than the lowest one before it. */
  push(height: number, hash: Buffer): void {
    let peak = { height, hash };
    for (let last = this.#peaks.at(-1); last?.height === peak.height; last = this.#peaks.at(-1)) {
      this.#peaks.pop();
      peak = { height: peak.height + 1, hash: nodeHash(last.hash, peak.hash) };
    }
    this.#peaks.push(peak);
  }

  /** The root of the tree whose rest, to the right of the frontier, has the root `rest`. */
  rootWith(rest: Buffer): Buffer {
    return this.#peaks.reduceRight((root, peak) => nodeHash(peak.hash, root), rest);
  }
}

/** SHA-256 of bytes, in hex. */
export function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Bytes in hex. */
export function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
