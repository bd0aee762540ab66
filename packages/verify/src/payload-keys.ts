import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { openDatabase } from "./database.ts";
import type { FileKeys } from "./encrypted.ts";
import type { PayloadKeys } from "./payload.ts";

/** The keys of payloads beside a ledger, if they are there and can be read. A check without them is as good, but opens none. */
export function readPayloadKeys(
  file: string,
  fileKey: FileKeys | undefined,
  unchecked: string[],
): PayloadKeys | undefined {
  const path = join(dirname(file), "payload-keys.db");
  const without = (why: string): undefined => {
    unchecked.push(`whether payloads can be decrypted: ${why}; their digests were checked`);
  };
  if (!existsSync(path)) return without("their keys are not here");
  try {
    const db = openDatabase(path, fileKey);
    try {
      const rows = db.rows("SELECT session, key FROM key").all() as unknown as [string, unknown][];
      return new Map(rows.flatMap(([session, key]) => (key instanceof Uint8Array ? [[session, key] as const] : [])));
    } finally {
      db.close();
    }
  } catch (error) {
    return without(`their keys cannot be read: ${(error as Error).message}`);
  }
}
