import { join } from "node:path";
import {
  heldFileKey,
  holdFileKey,
  isEncryptedFile,
  type LedgerReader,
  openReader,
  parseFileKey,
} from "@callgate/ledger";
import { KEY_VARIABLE } from "./data.ts";

/** Records that are named one by one; of more than these only the number is told. */
const NAMED = 5;

/**
 * Opens a ledger for a command. Records that cannot be read, because somebody edited them, are left out of what it prints, and told
 * of on stderr.
 */
export function openTellingReader(folder: string): LedgerReader {
  // A folder that no configuration names, such as a copy of another broker's.
  const key = process.env[KEY_VARIABLE];
  if (key && heldFileKey(folder) === undefined && isEncryptedFile(join(folder, "ledger.db")))
    holdFileKey(folder, parseFileKey(key));
  let count = 0;
  const reader = openReader(folder, {
    onUnreadable(seq) {
      if (++count <= NAMED) console.error(`warning: record ${seq} cannot be read: run \`callgate ledger verify\``);
    },
  });
  return {
    ...reader,
    close() {
      if (count > NAMED) console.error(`warning: ${count - NAMED} more records cannot be read`);
      reader.close();
    },
  };
}
