import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Database } from "better-sqlite3";
import { attachDataFile } from "../data-file.ts";

/** The file of words in a data folder. It can be made anew from the ledger at any time, and nothing relies on it. */
export function indexPath(folder: string): string {
  return join(resolve(folder), "search.db");
}

/** Makes a folder's index readable as `search` beside its ledger; false if there is none. */
export function attachIndex(db: Database, folder: string): boolean {
  const attached = db.prepare("SELECT 1 FROM pragma_database_list WHERE name = 'search'").get() !== undefined;
  if (attached) return true;
  const path = indexPath(folder);
  if (!existsSync(path)) return false;
  try {
    attachDataFile(db, path, "search");
  } catch {
    // What is no index counts as none.
    return false;
  }
  try {
    if (db.prepare("SELECT 1 FROM search.sqlite_schema WHERE name = 'words'").get() !== undefined) return true;
  } catch {
    // Nor is what cannot be read.
  }
  db.exec("DETACH search");
  return false;
}

/** The newest record that the attached index has looked at. */
export function indexedUpTo(db: Database): number {
  return (
    db.prepare<[], number>("SELECT cast(value AS INTEGER) FROM search.meta WHERE key = 'indexed'").pluck().get() ?? 0
  );
}
