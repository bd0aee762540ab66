import { hashesOf, objectsOf } from "./bundle-lines.ts";
import type { Findings } from "./finding.ts";
import type { AnchorReport } from "./judge.ts";
import { type Checkpoint, type NoteKey, openNote } from "./note.ts";
import { extendsTree } from "./proof.ts";

/** Checks the newest checkpoint of each anchor that a bundle has: its signature, and that the bundle's tree goes on from its own. */
export function bundleAnchors(
  text: string,
  head: Checkpoint,
  key: NoteKey,
  findings: Findings,
): readonly AnchorReport[] {
  const anchors: AnchorReport[] = [];
  for (const { anchor, note, proof } of objectsOf(text, "anchors.jsonl", findings)) {
    const name = String(anchor);
    const opened = typeof note === "string" ? openNote(note, key) : { problem: "it is not a signed note" };
    if ("problem" in opened) {
      findings.add("integrity", "anchor", `the checkpoint of the anchor \`${name}\`: ${opened.problem}`);
      continue;
    }
    const { checkpoint, signed } = opened;
    if (signed !== "yes")
      findings.add(
        "integrity",
        "anchor-signature",
        `the checkpoint of the anchor \`${name}\` is not signed by the log's key`,
      );
    if (checkpoint.origin !== head.origin)
      findings.add("integrity", "anchor", `the checkpoint of the anchor \`${name}\` is another log's`);
    const hashes = hashesOf(proof);
    const agrees = hashes !== undefined && extendsTree(checkpoint.size, head.size, checkpoint.root, head.root, hashes);
    if (!agrees)
      findings.add(
        "integrity",
        "anchor-root",
        `the records are not shown to be those that the anchor \`${name}\` has seen`,
      );
    anchors.push({ name, checkpoints: 1, newest: checkpoint.size, covers: agrees ? checkpoint.size : 0 });
  }
  return anchors;
}
