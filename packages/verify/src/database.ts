import { statSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import type { Findings } from "./finding.ts";

/** Codes of SQLite for a file that cannot be opened, or not without writing beside it. */
const NEEDS_WRITING = new Set([8, 14]);

/**
 * Opens a file for reading only; MUST NOT change it. A file on a medium that cannot be written is opened as one that nobody
 * changes, if it has no write-ahead log. Throws what SQLite says.
 */
export function openDatabase(path: string): DatabaseSync {
  try {
    return probed(new DatabaseSync(path, { readOnly: true }));
  } catch (error) {
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined || !NEEDS_WRITING.has(errcode & 0xff) || hasLog(path)) throw error;
    const url = pathToFileURL(path);
    url.search = "?immutable=1";
    return probed(new DatabaseSync(url, { readOnly: true }));
  }
}

/** A statement whose rows come as arrays. */
export function prepareRows(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql);
  statement.setReturnArrays(true);
  return statement;
}

/** What an error in reading says of a file; undefined if it is no such error. */
export function readingProblem(error: unknown): { aspect: "integrity" | "unreadable"; problem: string } | undefined {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "ERR_SQLITE_ERROR") return { aspect: "unreadable", problem: `it cannot be read: ${message}` };
  // SQLite holds larger whole numbers than any that a ledger is made with.
  if (code === "ERR_OUT_OF_RANGE")
    return { aspect: "integrity", problem: `it holds a number that no ledger has: ${message}` };
  return undefined;
}

/** Adds what an error in reading says to the findings; throws any other error. */
export function addReadingProblem(error: unknown, code: string, what: string, findings: Findings): void {
  const found = readingProblem(error);
  if (found === undefined) throw error;
  findings.add(found.aspect, code, `${what}: ${found.problem}`);
}

function probed(db: DatabaseSync): DatabaseSync {
  try {
    // What the file's own schema names is not to be run, and a page that is not what it says is to be refused.
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON");
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function hasLog(path: string): boolean {
  return (
    (statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0 ||
    (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0
  );
}
