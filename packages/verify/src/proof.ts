import { nodeHash } from "./merkle.ts";

/**
 * RFC 9162, 2.1.3.2: true if `proof` shows that the leaf with this hash stands at `index` (from 0) of the tree of `size` leaves and
 * this root.
 */
export function includes(index: number, size: number, leaf: Buffer, proof: readonly Buffer[], root: Buffer): boolean {
  if (!(index >= 0 && index < size)) return false;
  let [fn, sn] = [BigInt(index), BigInt(size - 1)];
  let hash = leaf;
  for (const step of proof) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      hash = nodeHash(step, hash);
      while ((fn & 1n) === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else hash = nodeHash(hash, step);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n && hash.equals(root);
}

/** RFC 9162, 2.1.4.2: true if `proof` shows that the tree of `older` leaves is the beginning of that of `newer` leaves. */
export function extendsTree(
  older: number,
  newer: number,
  olderRoot: Buffer,
  newerRoot: Buffer,
  proof: readonly Buffer[],
): boolean {
  if (older > newer || older < 1) return false;
  if (older === newer) return proof.length === 0 && olderRoot.equals(newerRoot);
  // A complete subtree is its own beginning: its root is not in the proof.
  const path = Number.isInteger(Math.log2(older)) ? [olderRoot, ...proof] : proof;
  let [fn, sn] = [BigInt(older - 1), BigInt(newer - 1)];
  while ((fn & 1n) === 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  const [first, ...rest] = path;
  if (!first) return false;
  let [before, now] = [first, first];
  for (const step of rest) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      before = nodeHash(step, before);
      now = nodeHash(step, now);
      while ((fn & 1n) === 0n && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else now = nodeHash(now, step);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return sn === 0n && before.equals(olderRoot) && now.equals(newerRoot);
}
