import { nodeHash } from "./merkle.ts";

/** Gives the root of a complete subtree: the `index`th of its height. */
export type NodeOf = (height: number, index: number) => Buffer;

/** RFC 6962: the root over the leaves `from` to `to`, exclusive; `from` MUST be where a subtree of that size may begin. */
function rootOf(node: NodeOf, from: number, to: number): Buffer {
  const height = Math.floor(Math.log2(to - from));
  const width = 2 ** height;
  const left = node(height, from / width);
  return width === to - from ? left : nodeHash(left, rootOf(node, from + width, to));
}

/** The root of the tree of the first `size` leaves. */
export function rootAt(node: NodeOf, size: number): Buffer {
  return rootOf(node, 0, size);
}

/** The largest power of two that is less than `n`, which is 2 or more. */
function splitOf(n: number): number {
  const below = 2 ** Math.floor(Math.log2(n));
  return below === n ? n / 2 : below;
}

/** RFC 6962, 2.1.1: that leaf `index` (from 0) is in the tree of `size` leaves, from the leaf up. */
export function inclusionProof(node: NodeOf, index: number, size: number): Buffer[] {
  const path = (from: number, to: number): Buffer[] => {
    if (to - from === 1) return [];
    const middle = from + splitOf(to - from);
    return index < middle
      ? [...path(from, middle), rootOf(node, middle, to)]
      : [...path(middle, to), rootOf(node, from, middle)];
  };
  return path(0, size);
}

/** RFC 6962, 2.1.2: that the tree of `size` leaves goes on from that of the first `old` ones. Empty if `old` is 0 or `size`. */
export function consistencyProof(node: NodeOf, old: number, size: number): Buffer[] {
  if (old === 0 || old === size) return [];
  const subproof = (from: number, to: number, whole: boolean): Buffer[] => {
    if (old === to) return whole ? [] : [rootOf(node, from, to)];
    const middle = from + splitOf(to - from);
    return old <= middle
      ? [...subproof(from, middle, whole), rootOf(node, middle, to)]
      : [...subproof(middle, to, false), rootOf(node, from, middle)];
  };
  return subproof(0, size, true);
}

/** RFC 9162, 2.1.3.2: whether the proof shows that a leaf of this hash is at `index` in the tree. */
export function checkInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
  root: Buffer,
): boolean {
  if (index < 0 || index >= size) return false;
  let [at, last] = [index, size - 1];
  let hash = leaf;
  for (const other of proof) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      hash = nodeHash(other, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else hash = nodeHash(hash, other);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && hash.equals(root);
}

/** RFC 9162, 2.1.4.2: whether the proof shows that a tree goes on from an older one. */
export function checkConsistency(
  old: { readonly size: number; readonly root: Buffer },
  now: { readonly size: number; readonly root: Buffer },
  proof: readonly Buffer[],
): boolean {
  if (old.size > now.size) return false;
  if (old.size === now.size) return proof.length === 0 && old.root.equals(now.root);
  if (old.size === 0) return proof.length === 0;
  const path = Number.isInteger(Math.log2(old.size)) ? [old.root, ...proof] : [...proof];
  const first = path.shift();
  if (first === undefined) return false;
  let [at, last] = [old.size - 1, now.size - 1];
  while (at % 2 === 1) [at, last] = [half(at), half(last)];
  let [before, after] = [first, first];
  for (const other of path) {
    if (last === 0) return false;
    if (at % 2 === 1 || at === last) {
      before = nodeHash(other, before);
      after = nodeHash(other, after);
      while (at % 2 === 0 && at !== 0) [at, last] = [half(at), half(last)];
    } else after = nodeHash(after, other);
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && before.equals(old.root) && after.equals(now.root);
}

// Sizes go beyond 32 bits: no shifts.
function half(n: number): number {
  return Math.floor(n / 2);
}
