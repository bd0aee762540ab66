import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { emptyRoot, nodeHash } from "../src/merkle.ts";
import { extendsTree, includes } from "../src/proof.ts";

const MOST = 40;
const leaves = Array.from({ length: MOST }, (_, i) => hash("sha256", `\0${i}`, "buffer"));

/** As RFC 6962, 2.1, defines them, without a thought for speed. */
function rootOf(part: readonly Buffer[]): Buffer {
  if (part.length <= 1) return part[0] ?? emptyRoot();
  const k = half(part.length);
  return nodeHash(rootOf(part.slice(0, k)), rootOf(part.slice(k)));
}
function pathOf(m: number, part: readonly Buffer[]): Buffer[] {
  if (part.length <= 1) return [];
  const k = half(part.length);
  if (m < k) return [...pathOf(m, part.slice(0, k)), rootOf(part.slice(k))];
  return [...pathOf(m - k, part.slice(k)), rootOf(part.slice(0, k))];
}
function growthOf(m: number, part: readonly Buffer[], whole = true): Buffer[] {
  if (m === part.length) return whole ? [] : [rootOf(part)];
  const k = half(part.length);
  if (m <= k) return [...growthOf(m, part.slice(0, k), whole), rootOf(part.slice(k))];
  return [...growthOf(m - k, part.slice(k), false), rootOf(part.slice(0, k))];
}
function half(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1));
}

test("each leaf of each tree is included where it stands, and nowhere else", () => {
  for (let size = 1; size <= MOST; size++) {
    const tree = leaves.slice(0, size);
    const root = rootOf(tree);
    for (let index = 0; index < size; index++) {
      const leaf = leaves[index] as Buffer;
      const proof = pathOf(index, tree);
      expect(includes(index, size, leaf, proof, root)).toBe(true);
      expect(includes((index + 1) % (size + 1), size, leaf, proof, root)).toBe(false);
      expect(includes(index, size, leaves[(index + 1) % MOST] as Buffer, proof, root)).toBe(false);
      expect(includes(index, size, leaf, [...proof, leaf], root)).toBe(false);
      if (proof.length > 0) expect(includes(index, size, leaf, proof.slice(1), root)).toBe(false);
    }
  }
});

test("each tree is the beginning of each larger one, and of no other", () => {
  for (let newer = 1; newer <= MOST; newer++) {
    const tree = leaves.slice(0, newer);
    const root = rootOf(tree);
    for (let older = 1; older <= newer; older++) {
      const before = rootOf(leaves.slice(0, older));
      const proof = growthOf(older, tree);
      expect(extendsTree(older, newer, before, root, proof)).toBe(true);
      expect(extendsTree(older, newer, leaves[7] as Buffer, root, proof)).toBe(false);
      expect(extendsTree(older, newer, before, leaves[7] as Buffer, proof)).toBe(false);
      expect(extendsTree(older, newer, before, root, [...proof, root])).toBe(false);
      expect(extendsTree(newer + 1, newer, before, root, proof)).toBe(false);
    }
  }
  expect(extendsTree(0, 1, emptyRoot(), leaves[0] as Buffer, [])).toBe(false);
});
