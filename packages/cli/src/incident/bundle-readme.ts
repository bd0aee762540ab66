/** The page that goes with a bundle, for whoever gets it. */
export function bundleReadme(bundle: {
  readonly of: string;
  readonly log: string;
  readonly payloads: boolean;
  readonly anchored: boolean;
}): string {
  const texts = bundle.payloads
    ? `\`payloads.jsonl\` has arguments, results and the facts that policies saw, as they are stored (\`sealed\`: nonce, ciphertext and tag of
AES-256-GCM) and as text; \`keys.json\` has the key that opens them. **Whoever has this folder can read them**, also after the session was
shredded in the ledger itself.`
    : `\`payloads.jsonl\` has arguments and results as they are stored, encrypted (\`sealed\`). Their texts and the key were withheld.`;
  const anchored = bundle.anchored
    ? "`anchors.jsonl` has checkpoints that somebody outside kept or signed (`--witness-vkey` checks a witness's signature), each with a proof that the tree goes on from it."
    : "No anchor was named when the bundle was made: that the log was not rewritten before then rests on whoever holds its key.";
  return `# Evidence: ${bundle.of.replaceAll("\n", " ")}

Records of the Callgate ledger \`${bundle.log}\`, with all that is needed to check them without it:

    callgate-verify --bundle . --vkey <the log's verifier key, from a source you trust>

It ends with 0 if all is as it was written, 1 if something was changed, 2 if something is missing, 3 if it cannot be read. Without \`--vkey\` the
key in this folder is used, which proves only that the folder is one piece.

- \`manifest.note\`: what this is, and the SHA-256 of every other file, signed with the log's key (C2SP signed note).
- \`records.jsonl\`: each record's leaf, byte for byte, and the hashes that prove its place in the tree of \`checkpoint.note\` (RFC 6962).
- ${texts}
- ${anchored}
- \`policies.json\`: digests of the policies that decided, and of today's files.
- \`report.json\`: what the verifier said of the whole ledger when this was made.
${bundle.payloads ? "- `incident.json`: what `callgate incident open` told. It was worked out from the records, and proves nothing by itself.\n" : ""}
What the broker recorded is what it saw and decided. That these are all records of ${bundle.of.replaceAll("\n", " ")} is what whoever made the bundle says, and
signed for; that none of them was changed is what the proofs show.
`;
}
