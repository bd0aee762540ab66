import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyRoot, Frontier, leafHash, Subtrees } from "../src/merkle.ts";

const sha256 = (...parts: Uint8Array[]): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest();

/** RFC 6962, section 2.1, word for word. */
function root(hashes: readonly Buffer[]): Buffer {
  if (hashes.length <= 1) return hashes[0] ?? sha256();
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256(Uint8Array.of(1), root(hashes.slice(0, k)), root(hashes.slice(k)));
}

const hashes = Array.from({ length: 200 }, (_, i) => sha256(Buffer.from(String(i))));

describe("Merkle tree", () => {
  it("hashes leaves as RFC 6962 does", () => {
    // The test vectors of Certificate Transparency's reference implementation.
    expect(emptyRoot().toString("hex")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(leafHash("")).toBe("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    expect(leafHash("\0")).toBe("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7");
  });

  it("has the root of every size", () => {
    const tree = new Subtrees(Buffer.concat(hashes), hashes.length);
    for (let n = 1; n <= hashes.length; n++) expect(tree.rootAt(n).equals(root(hashes.slice(0, n)))).toBe(true);
  });

  it("has the same roots when it is put together from parts", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 199 }), fc.constantFrom(0, 1, 2, 3, 4), (size, height) => {
        const width = 2 ** height;
        const frontier = new Frontier();
        for (let at = 0; at < size; at += width) {
          const count = Math.min(width, size - at);
          const part = new Subtrees(Buffer.concat(hashes.slice(at, at + count)), count);
          for (let n = 1; n <= count; n++)
            expect(frontier.rootWith(part.rootAt(n)).equals(root(hashes.slice(0, at + n)))).toBe(true);
          if (count === width) frontier.push(height, part.rootAt(width));
        }
      }),
      { numRuns: 30 },
    );
  });
});
