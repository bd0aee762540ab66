import type { Database } from "better-sqlite3";
import { decryptPayload, LOG_KEY } from "./cipher.ts";
import { PayloadKeyReader } from "./payload-keys.ts";

/** A record's payloads, as far as they can be read, and the names of those whose key is gone. */
export interface ReadPayloads {
  readonly texts: { readonly [name: string]: string };
  readonly shredded: readonly string[];
}

/** Reads payloads and decrypts them. */
export interface PayloadReader {
  read(seq: number): ReadPayloads;
  close(): void;
}

export function openPayloads(db: Database, folder: string, log: string): PayloadReader {
  const keys = new PayloadKeyReader(folder);
  const rows = db.prepare<[number], { name: string; data: Buffer; session: string | null }>(
    `SELECT payload.name, payload.data, record.session FROM payload JOIN record ON record.seq = payload.seq
     WHERE payload.seq = ? ORDER BY payload.name`,
  );
  return {
    read(seq) {
      const texts: { [name: string]: string } = {};
      const shredded: string[] = [];
      for (const { name, data, session } of rows.all(seq)) {
        const key = keys.key(session ?? LOG_KEY);
        const text = key && decryptPayload(key, data, log, seq, name);
        if (text === undefined) shredded.push(name);
        else texts[name] = text;
      }
      return { texts, shredded };
    },
    close: () => keys.close(),
  };
}
