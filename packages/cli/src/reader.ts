import { type LedgerReader, openReader } from "@callgate/ledger";

/** Records that are named one by one; of more than these only the number is told. */
const NAMED = 5;

/**
 * Opens a ledger for a command. Records that cannot be read, because somebody edited them, are left out of what it prints, and told
 * of on stderr.
 */
export function openTellingReader(folder: string): LedgerReader {
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
