import { realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database } from "better-sqlite3";

/** The files of a database with a write-ahead log, by what they add to its name. */
const ENDS = ["", "-wal", "-shm"];

/**
 * A folder that was changed longer ago than this, in milliseconds, has another time if it is changed again, also where the file system's
 * times are no finer than two seconds.
 */
const SETTLED_MS = 2100;

/** For no longer than this, in milliseconds, the folder's time is believed: a file system need not keep one, or another host may change it. */
const BELIEVED_MS = 1000;

/** What is looked at, in Unix milliseconds; for tests. */
export interface Clock {
  now(): number;
}

/**
 * A function that throws once a database that is open is not at its place any more. A file that was moved or deleted takes writes
 * like any other: what is acknowledged would be gone. Of a log that was, all that was committed is brought into the file first.
 *
 * It looks at the files themselves whenever it did not in the last second. In between it looks at their folder, the one that they really
 * stand in where `ledger.db` is a link, and at the files if that changed: a folder's time changes with every file that is made, moved or
 * deleted in it. It is relied on only once its newest change is more than two seconds ago: before, a second change may leave no trace.
 * Whoever asks for the times of a file makes the system keep finer ones from its next write on: with the log of writes, at every
 * commit, that would be a seventh of what a commit takes.
 */
export function placeOf(db: Database, clock: Clock = Date): () => void {
  const path = realpathSync(db.name);
  const folders = [...new Set([dirname(path), dirname(db.name)])];
  const files = ENDS.map((end) => ({ end, inode: inodeOf(path + end) }));
  // The name that it was opened by leads to it, too, and goes on to.
  const named = { path: db.name, inode: inodeOf(db.name) };
  let settled: string | undefined;
  let looked = 0;
  return () => {
    // Looked at before the files: what changes meanwhile is seen the next time.
    const now = clock.now();
    const stats = folders.map((folder) => statSync(folder, { throwIfNoEntry: false }));
    const state = stats.map((stat) => stat && `${stat.ino} ${stat.mtimeMs} ${stat.ctimeMs}`).join();
    // A clock that goes back is no reason to look less often.
    if (state === settled && now >= looked && now - looked < BELIEVED_MS) return;
    requireFiles(db, path, files, named);
    looked = now;
    const isOld = stats.every((stat) => stat !== undefined && now - Math.max(stat.ctimeMs, stat.mtimeMs) > SETTLED_MS);
    settled = isOld ? state : undefined;
  };
}

function requireFiles(
  db: Database,
  path: string,
  files: readonly { readonly end: string; readonly inode: number | undefined }[],
  named: { readonly path: string; readonly inode: number | undefined },
): void {
  const gone = files.find(({ end, inode }) => inodeOf(path + end) !== inode);
  if (gone === undefined && inodeOf(named.path) === named.inode) return;
  if (gone === undefined || gone.end === "") throw new Error("its file was moved or deleted");
  if (!db.inTransaction) db.pragma("wal_checkpoint(FULL)");
  throw new Error(`its file \`ledger.db${gone.end}\` was moved or deleted`);
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}
