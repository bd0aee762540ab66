import { createHash, type KeyObject, sign } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { canonicalJson } from "@callgate/core";

// What an administrator with the signing key would write: everything that follows from the leaves, from RFC 6962 and the
// C2SP texts alone. Neither the ledger's code nor the verifier's is used, so that a fault in either shows.

const sha256 = (...parts: (Uint8Array | string)[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** RFC 6962, section 2.1, word for word; `known` keeps the roots of complete subtrees from one size of a log to the next. */
export function merkleRoot(hashes: readonly Buffer[], known = new Map<string, Buffer>()): Buffer {
  const root = (from: number, to: number): Buffer => {
    const count = to - from;
    if (count === 1) return hashes[from] as Buffer;
    let k = 1;
    while (k * 2 < count) k *= 2;
    const complete = k * 2 === count;
    const place = `${from}-${to}`;
    const before = complete ? known.get(place) : undefined;
    const hash = before ?? sha256(Uint8Array.of(1), root(from, from + k), root(from + k, to));
    if (complete) known.set(place, hash);
    return hash;
  };
  return hashes.length === 0 ? sha256("") : root(0, hashes.length);
}

export function leafHash(leaf: string): Buffer {
  return sha256(Uint8Array.of(0), leaf);
}

/** The key of an Ed25519 signed note. */
export interface Signer {
  readonly name: string;
  readonly key: KeyObject;
  /** The 32 bytes of the public key. */
  readonly public: Buffer;
}

/** A checkpoint of these leaves, signed. */
export function signedCheckpoint(
  hashes: readonly Buffer[],
  { name, key, public: bytes }: Signer,
  known = new Map<string, Buffer>(),
): string {
  const body = `${name}\n${hashes.length}\n${merkleRoot(hashes, known).toString("base64")}\n`;
  const id = sha256(`${name}\n`, Uint8Array.of(1), bytes).subarray(0, 4);
  return `${body}\n— ${name} ${Buffer.concat([id, sign(null, Buffer.from(body), key)]).toString("base64")}\n`;
}

type Row = { seq: number; leaf: string; hash: Uint8Array };

/**
 * Makes all that follows from the leaves fit them again: `prev` and `seq` inside them, hashes, tiles, and the checkpoints of the
 * sizes that are there. The triggers MUST be out of the way. With `links: "kept"` no leaf is touched.
 */
export function rebuild(db: DatabaseSync, signer: Signer, links: "made" | "kept" = "made"): void {
  const hashes: Buffer[] = [];
  const update = db.prepare("UPDATE record SET leaf = ?, hash = ? WHERE seq = ?");
  for (const { seq, leaf, hash } of db.prepare("SELECT seq, leaf, hash FROM record ORDER BY seq").all() as Row[]) {
    const prev = `sha256:${(hashes.at(-1) ?? Buffer.alloc(32)).toString("hex")}`;
    const own = leafHash(leaf);
    const linked = links === "kept" || (leaf.includes(`"prev":"${prev}"`) && leaf.includes(`"seq":${seq},`));
    if (linked && own.equals(hash)) {
      hashes.push(own);
      continue;
    }
    const text = links === "kept" ? leaf : canonicalJson({ ...(JSON.parse(leaf) as object), seq, prev });
    hashes.push(leafHash(text));
    update.run(text, hashes.at(-1) as Buffer, seq);
  }
  db.exec("DELETE FROM tile");
  const tile = db.prepare("INSERT INTO tile (level, idx, data) VALUES (?, ?, ?)");
  let nodes = groups(hashes).map((group) => merkleRoot(group));
  for (let level = 1; nodes.length > 0; level++) {
    const full = groups(nodes);
    full.forEach((group, i) => tile.run(level, i, Buffer.concat(group)));
    nodes = full.map((group) => merkleRoot(group));
  }
  const checkpoint = db.prepare("UPDATE checkpoint SET note = ? WHERE size = ?");
  const sizes = db.prepare("SELECT size FROM checkpoint").all() as { size: number }[];
  const known = new Map<string, Buffer>();
  for (const { size } of sizes) checkpoint.run(signedCheckpoint(hashes.slice(0, size), signer, known), size);
}

/** Whole groups of 256. */
function groups(hashes: readonly Buffer[]): Buffer[][] {
  return Array.from({ length: Math.floor(hashes.length / 256) }, (_, i) => hashes.slice(i * 256, (i + 1) * 256));
}
