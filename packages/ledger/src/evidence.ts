import { CallgateError } from "@callgate/core";
import { LOG_KEY } from "./cipher.ts";
import { openDataFile } from "./data-file.ts";
import { ledgerPath } from "./folder.ts";
import { readLogKey } from "./log-key.ts";
import { PayloadKeyReader } from "./payload-keys.ts";
import { consistencyProof, inclusionProof } from "./proof.ts";
import { readMeta } from "./schema.ts";
import { SECOND_KEY } from "./second-key.ts";
import { treeReader } from "./tree-reader.ts";

/** What evidence of records is made of. Changes nothing in the ledger. */
export interface Evidence {
  /** The log's verifier key, as text. */
  readonly vkey: string;
  /** Of its ML-DSA-44 key, if it has one. */
  readonly secondVkey: string | undefined;
  /** The newest checkpoint. Everything is proved to be in its tree. */
  readonly checkpoint: { readonly size: number; readonly note: string };
  /** A record with the hashes that prove its place, from the leaf up; undefined beyond the checkpoint or where it was archived. */
  record(seq: number): { readonly leaf: string; readonly proof: readonly Buffer[] } | undefined;
  /** The payloads of a record as they are stored; none where it was archived. */
  sealed(seq: number): readonly { readonly name: string; readonly data: Buffer }[];
  /** The hashes that prove that the checkpoint's tree goes on from that of the first `size` records. */
  goesOnFrom(size: number): readonly Buffer[];
  /** The key of a session's payloads; undefined if it was shredded. Whoever has it can read all of them. */
  payloadKey(session: string | undefined): Buffer | undefined;
  /** Signs the manifest of a bundle with the log's key. MUST NOT sign what could pass for a checkpoint: throws for any other text. */
  signManifest(text: string): string;
  close(): void;
}

/** What the manifest of a bundle begins with, and no checkpoint does. */
const MANIFEST = "callgate-bundle/1\n";

/** Opens a data folder for evidence. Throws `LEDGER_NOT_FOUND`, `LEDGER_KEY_INVALID` or `LEDGER_UNREADABLE`. */
export function openEvidence(folder: string): Evidence {
  const key = readLogKey(folder);
  if (key === undefined)
    throw new CallgateError("LEDGER_NOT_FOUND", `there is no key of a ledger in \`${folder}\``, {
      help: "name the broker's data folder with `--data`; evidence is signed with its `ledger-key.json`",
    });
  const db = openDataFile(ledgerPath(folder), { readonly: true, fileMustExist: true });
  const newest = db
    .prepare<[], { size: number; note: string }>("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    .get();
  const log = readMeta(db, "log");
  if (newest === undefined || log !== key.log) {
    db.close();
    throw new CallgateError("LEDGER_UNREADABLE", `the ledger in \`${folder}\` has no checkpoint of its key's`);
  }
  const node = treeReader(db);
  const keys = new PayloadKeyReader(folder);
  const leafOf = db.prepare<[number], string>("SELECT leaf FROM record WHERE seq = ?").pluck();
  const payloadsOf = db.prepare<[number], { name: string; data: Buffer }>(
    "SELECT name, data FROM payload WHERE seq = ? ORDER BY name",
  );
  const { size } = newest;
  return {
    vkey: key.vkey,
    secondVkey: readMeta(db, SECOND_KEY),
    checkpoint: newest,
    record(seq) {
      const leaf = seq > size ? undefined : leafOf.get(seq);
      if (leaf === undefined) return undefined;
      return { leaf, proof: inclusionProof(node, seq - 1, size) };
    },
    sealed: (seq) => payloadsOf.all(seq),
    goesOnFrom: (older) => consistencyProof(node, older, size),
    payloadKey: (session) => keys.key(session ?? LOG_KEY)?.export(),
    signManifest(text) {
      if (!text.startsWith(MANIFEST)) throw new Error("only the manifest of a bundle is signed here");
      return key.sign(text);
    },
    close() {
      keys.close();
      db.close();
    },
  };
}
