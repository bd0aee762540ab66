import { statSync } from "node:fs";
import type { Database } from "better-sqlite3";

/** The files of a database with a write-ahead log, by what they add to its name. */
const ENDS = ["", "-wal", "-shm"];

/**
 * A function that throws once a database that is open is not at its place any more. A file that was moved or deleted takes writes
 * like any other: what is acknowledged would be gone. Of a log that was, all that was committed is brought into the file first.
 */
export function placeOf(db: Database): () => void {
  const files = ENDS.map((end) => ({ end, inode: inodeOf(db.name + end) }));
  return () => {
    const gone = files.find(({ end, inode }) => inodeOf(db.name + end) !== inode);
    if (gone === undefined) return;
    if (gone.end === "") throw new Error("its file was moved or deleted");
    if (!db.inTransaction) db.pragma("wal_checkpoint(FULL)");
    throw new Error(`its file \`ledger.db${gone.end}\` was moved or deleted`);
  };
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
