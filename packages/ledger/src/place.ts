import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "better-sqlite3";

/** The files of a database with a write-ahead log, by what they add to its name. */
const ENDS = ["", "-wal", "-shm"];

/** A folder that was changed so long ago, in milliseconds, has another time if it is changed again, however coarse the system's times are. */
const SETTLED_MS = 100;

/**
 * A function that throws once a database that is open is not at its place any more. A file that was moved or deleted takes writes
 * like any other: what is acknowledged would be gone. Of a log that was, all that was committed is brought into the file first.
 *
 * It looks at the folder, whose time changes with every file that is made, moved or deleted in it, and at the files only if that did.
 * Whoever asks for the times of a file makes the system keep finer ones from its next write on: with the log of writes that would be
 * a seventh of what a commit takes.
 */
export function placeOf(db: Database): () => void {
  const folder = dirname(db.name);
  const files = ENDS.map((end) => ({ end, inode: inodeOf(db.name + end) }));
  let settled: string | undefined;
  return () => {
    // Looked at before the files: what changes meanwhile is seen the next time.
    const stat = statSync(folder, { throwIfNoEntry: false });
    const state = stat && `${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs}`;
    if (state !== undefined && state === settled) return;
    requireFiles(db, files);
    settled = stat !== undefined && Date.now() - stat.ctimeMs > SETTLED_MS ? state : undefined;
  };
}

function requireFiles(
  db: Database,
  files: readonly { readonly end: string; readonly inode: number | undefined }[],
): void {
  const gone = files.find(({ end, inode }) => inodeOf(db.name + end) !== inode);
  if (gone === undefined) return;
  if (gone.end === "") throw new Error("its file was moved or deleted");
  if (!db.inTransaction) db.pragma("wal_checkpoint(FULL)");
  throw new Error(`its file \`ledger.db${gone.end}\` was moved or deleted`);
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
