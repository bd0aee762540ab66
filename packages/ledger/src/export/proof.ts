import type { InclusionProof } from "../port.ts";

/**
 * The proof that a record is in a log, as a file (C2SP tlog-proof): its index and the hashes beside its way to the root, the checkpoint of that root, and as
 * extra data the leaf itself. Extra data prove nothing: a verifier MUST hash the leaf, and begin with that hash. `note` MUST be the checkpoint of the proof's size.
 */
export function proofText(leaf: string, { index, hashes }: InclusionProof, note: string): string {
  return [
    "c2sp.org/tlog-proof@v1",
    `extra ${Buffer.from(leaf).toString("base64")}`,
    `index ${index}`,
    ...hashes.map((hash) => hash.toString("base64")),
    "",
    note,
  ].join("\n");
}
