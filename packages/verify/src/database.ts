import { statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { type FileKeys, isEncrypted, KeyError, openEncrypted } from "./encrypted.ts";
import type { Findings } from "./finding.ts";

/** Codes of SQLite for a file that cannot be opened, or not without writing beside it. */
const NEEDS_WRITING = new Set([8, 14]);

type Value = number | string | null;

/** A statement whose rows come as arrays; whole numbers beyond 2^53 are an error. */
export interface Rows {
  get(...values: readonly Value[]): unknown;
  all(...values: readonly Value[]): readonly unknown[];
  iterate(...values: readonly Value[]): Iterable<unknown>;
}

/** A SQLite file that is open for reading, plain or encrypted. */
export interface Database {
  exec(sql: string): void;
  rows(sql: string): Rows;
  close(): void;
}

/**
 * Opens a file for reading only; MUST NOT change it. A plain file on a medium that cannot be written is opened as one that nobody
 * changes, if it has no write-ahead log. `key` is that of an encrypted file, or several of which it is one. Throws a `KeyError`, and what SQLite says.
 */
export function openDatabase(path: string, key?: FileKeys): Database {
  if (isEncrypted(path)) return probed(openEncrypted(path, key));
  try {
    return probed(plain(new DatabaseSync(path, { readOnly: true })));
  } catch (error) {
    const { errcode } = error as { errcode?: number };
    if (errcode === undefined || !NEEDS_WRITING.has(errcode & 0xff) || hasLog(path)) throw error;
    const url = pathToFileURL(path);
    url.search = "?immutable=1";
    return probed(plain(new DatabaseSync(url, { readOnly: true })));
  }
}

function plain(db: DatabaseSync): Database {
  return {
    exec: (sql) => db.exec(sql),
    rows(sql) {
      const statement = db.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    },
    close: () => db.close(),
  };
}

/** What an error in reading says of a file; undefined if it is no such error. */
export function readingProblem(error: unknown): { aspect: "integrity" | "unreadable"; problem: string } | undefined {
  if (error instanceof KeyError) return { aspect: "unreadable", problem: error.message };
  const { code, message } = error as { code?: string; message?: string };
  // Of an encrypted file each page carries a tag that nobody can make without the key.
  if (code?.startsWith("SQLITE_CORRUPT") === true)
    return { aspect: "integrity", problem: "a page of it is not as it was encrypted" };
  if (code === "ERR_SQLITE_ERROR" || code?.startsWith("SQLITE_") === true)
    return { aspect: "unreadable", problem: `it cannot be read: ${message}` };
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

function probed(db: Database): Database {
  try {
    // What the file's own schema names is not to be run, and a page that is not what it says is to be refused.
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA query_only = ON");
    db.rows("SELECT count(*) FROM sqlite_schema").get();
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
