import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { rebuild, type Signer } from "./rebuild.ts";

export type Change = (db: DatabaseSync, signer: Signer) => void;

/** What an administrator of the folder can do who has its key: takes the triggers away, changes rows, and puts them back. */
export function attack(folder: string, change: Change): void {
  const db = new DatabaseSync(join(folder, "ledger.db"));
  try {
    const triggers = db.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").all() as {
      name: string;
      sql: string;
    }[];
    for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
    change(db, signerOf(folder));
    for (const { sql } of triggers) db.exec(sql);
  } finally {
    db.close();
  }
}

/** Changes rows, and does nothing about what follows from them. */
export const sql =
  (text: string): Change =>
  (db) =>
    void db.exec(text);

/** Changes rows, and then all that follows from them: hashes, links, tiles, and checkpoints, signed anew. */
export const resigned =
  (text: string): Change =>
  (db, signer) => {
    db.exec(text);
    rebuild(db, signer);
  };

function signerOf(folder: string): Signer {
  const file = JSON.parse(readFileSync(join(folder, "ledger-key.json"), "utf8")) as { seed: string; vkey: string };
  // The last part may hold a plus sign itself.
  const [, name, bytes] = /^([^+]+)\+[^+]+\+(.+)$/.exec(file.vkey) as unknown as [string, string, string];
  const publicKey = Buffer.from(bytes, "base64").subarray(1);
  const key = createPrivateKey({
    format: "jwk",
    key: { kty: "OKP", crv: "Ed25519", d: file.seed, x: publicKey.toString("base64url") },
  });
  return { name, key, public: publicKey };
}
