import { hashesOf, objectsOf } from "./bundle-lines.ts";
import { isCanonical } from "./canonical.ts";
import type { Findings } from "./finding.ts";
import type { Leaf } from "./leaf.ts";
import { leafHash } from "./merkle.ts";
import type { Checkpoint } from "./note.ts";
import { includes } from "./proof.ts";

/** Checks the records of a bundle: each leaf's form, its place, and the proof that the checkpoint's tree has it there. Gives the leaves by seq. */
export function checkRecords(
  text: string,
  log: string,
  { size, root }: Checkpoint,
  findings: Findings,
): ReadonlyMap<number, Leaf> {
  const leaves = new Map<number, Leaf>();
  let before: { readonly seq: number; readonly hash: string } | undefined;
  for (const { seq, leaf: leafText, proof } of objectsOf(text, "records.jsonl", findings)) {
    if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 1 || typeof leafText !== "string") {
      findings.add("integrity", "record-form", "a line of `records.jsonl` is not a record");
      continue;
    }
    const report = (code: string, problem: string): void => findings.add("integrity", code, problem, seq);
    const leaf = parseLeaf(leafText, report);
    if (leaf === undefined) continue;
    if (leaf["seq"] !== seq) report("order", `the leaf says that it is record ${String(leaf["seq"])}`);
    if (leaf["log"] !== log) report("log", "the leaf belongs to another log");
    const hash = leafHash(leafText);
    const hashes = hashesOf(proof);
    if (hashes === undefined || !includes(seq - 1, size, Buffer.from(hash, "hex"), hashes, root))
      report("inclusion", "the proof does not show that the checkpoint's tree has this leaf here");
    if (before !== undefined && seq <= before.seq) report("order", `it stands after record ${before.seq}`);
    if (before !== undefined && seq === before.seq + 1 && leaf["prev"] !== `sha256:${before.hash}`)
      report("chain", "the leaf does not name the one before it");
    before = { seq, hash };
    leaves.set(seq, leaf);
  }
  return leaves;
}

function parseLeaf(text: string, report: (code: string, problem: string) => void): Leaf | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new TypeError("it is not an object");
    if (!isCanonical(value, text)) report("leaf-form", "the leaf is not canonical JSON");
    const leaf = value as Leaf;
    if (leaf["v"] !== 2) report("leaf-form", `the leaf's version is \`${String(leaf["v"])}\`, not 2`);
    return leaf;
  } catch (error) {
    report("leaf-form", `the leaf cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}
