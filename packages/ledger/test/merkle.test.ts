import { hash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EMPTY_ROOT, HASH_BYTES, leafHash, nodeHash, TILE_WIDTH, type Tile, Tree } from "../src/merkle.ts";
import {
  checkConsistency,
  checkInclusion,
  consistencyProof,
  inclusionProof,
  type NodeOf,
  rootAt,
} from "../src/proof.ts";

// The leaves and roots that implementations of Certificate Transparency are tested with.
const LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** The definition in RFC 6962, word for word. */
function rootByDefinition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0] as Buffer;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(rootByDefinition(leaves.slice(0, k)), rootByDefinition(leaves.slice(k)));
}

const leaves = Array.from({ length: 70_000 }, (_, i) => hash("sha256", String(i), "buffer"));
const nodes: NodeOf = (height, index) => rootByDefinition(leaves.slice(index * 2 ** height, (index + 1) * 2 ** height));

describe("the tree", () => {
  it("has the published roots", () => {
    const tree = new Tree();
    expect(tree.root()).toEqual(EMPTY_ROOT);
    const roots = LEAVES.map((hex) => {
      tree.add(leafHash(Buffer.from(hex, "hex").toString("latin1")));
      return tree.root().toString("hex");
    });
    expect(roots).toEqual(ROOTS);
  });

  it("gives each full tile once, of every level", () => {
    const tree = new Tree();
    const tiles: Tile[] = leaves.flatMap((leaf) => tree.add(leaf));
    expect(tiles.map(({ level, index, data }) => [level, index, data.length])).toEqual([
      [1, 0, TILE_WIDTH * HASH_BYTES],
    ]);
    expect(tiles[0]?.data.subarray(-HASH_BYTES)).toEqual(nodes(8, 255));
    expect(tree.partial(1, 256)).toEqual(nodes(8, 256));
    expect(tree.partial(1, 255)).toBeUndefined();
    expect(tree.partial(2, 0)).toEqual(nodes(16, 0));
    expect(tree.root()).toEqual(rootByDefinition(leaves));
  });
});

describe("proofs", () => {
  const sizes = fc.integer({ min: 1, max: 300 });

  it("show every record to be in every later tree, and nothing else to be", () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, at, other) => {
        const index = at % size;
        const leaf = leaves[index] as Buffer;
        const root = rootByDefinition(leaves.slice(0, size));
        const proof = inclusionProof(nodes, index, size);
        expect(rootAt(nodes, size)).toEqual(root);
        expect(checkInclusion(leaf, index, size, proof, root)).toBe(true);
        expect(checkInclusion(leaves[301] as Buffer, index, size, proof, root)).toBe(false);
        expect(checkInclusion(leaf, index, size, [...proof, root], root)).toBe(false);
        if (size > 1) expect(checkInclusion(leaf, index, size, proof.slice(1), root)).toBe(false);
        if (other % size !== index) expect(checkInclusion(leaf, other % size, size, proof, root)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  it("show every tree to go on from every earlier one, and from no other", () => {
    fc.assert(
      fc.property(sizes, sizes, (a, b) => {
        const [old, size] = [Math.min(a, b), Math.max(a, b)];
        const tree = (n: number) => ({ size: n, root: rootByDefinition(leaves.slice(0, n)) });
        const proof = consistencyProof(nodes, old, size);
        expect(checkConsistency(tree(old), tree(size), proof)).toBe(true);
        expect(checkConsistency({ size: old, root: EMPTY_ROOT }, tree(size), proof)).toBe(false);
        expect(checkConsistency(tree(old), { size, root: EMPTY_ROOT }, proof)).toBe(false);
        expect(checkConsistency(tree(old), tree(size), [...proof, EMPTY_ROOT])).toBe(false);
        if (old < size) expect(checkConsistency(tree(size), tree(old), proof)).toBe(false);
        if (proof.length > 0) expect(checkConsistency(tree(old), tree(size), proof.slice(0, -1))).toBe(false);
      }),
      { numRuns: 200 },
    );
    expect(consistencyProof(nodes, 0, 5)).toEqual([]);
  });
});
