import { hashesOf, objectsOf } from "./bundle-lines.ts";
import { signerOf } from "./cosigned.ts";
import type { Findings } from "./finding.ts";
import type { AnchorReport } from "./judge.ts";
import { type Checkpoint, type NoteKey, openNote } from "./note.ts";
import { extendsTree } from "./proof.ts";

/** Checks the newest checkpoint of each anchor that a bundle has: its signature, and that the bundle's tree goes on from its own. */
export function bundleAnchors(
  text: string,
  head: Checkpoint,
  key: NoteKey,
  witnesses: readonly NoteKey[],
  findings: Findings,
  unchecked: string[],
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
    const by = witnessOf(String(note), head.origin, name, witnesses, unchecked);
    anchors.push({ name, checkpoints: 1, newest: checkpoint.size, covers: agrees ? checkpoint.size : 0, ...by });
  }
  return anchors;
}

/** Who signed an anchor's checkpoint beside the log, and when; nothing where nobody did, or nobody who is known. */
function witnessOf(
  note: string,
  origin: string,
  name: string,
  keys: readonly NoteKey[],
  unchecked: string[],
): { readonly by?: string; readonly at?: string } {
  const signer = signerOf(note, origin, keys);
  if (signer === "wrong")
    // Whoever is asked as a witness can answer under any name.
    unchecked.push(`who signed the checkpoint of \`${name}\` beside the log: the signature is not that of the witness`);
  // The log's own second signature has its name.
  else if (
    signer === "unknown" &&
    note.split("\n").some((line) => line.startsWith("— ") && !line.startsWith(`— ${origin} `))
  )
    unchecked.push(`who signed the checkpoint of \`${name}\` beside the log: give the key with --witness-vkey`);
  return typeof signer === "object" ? { by: signer.name, at: signer.at } : {};
}
