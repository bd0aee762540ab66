import { closeSync, openSync, readSync } from "node:fs";
import { createRequire } from "node:module";
import type BetterSqlite3 from "better-sqlite3";
import type { Database, Rows } from "./database.ts";

/** Bytes that the cipher adds to each page; SQLite's header says it in the clear, from the 20th byte on. */
const SIZES = Buffer.of(64, 64, 32, 32);
const MAGIC = Buffer.from("SQLite format 3\0");

/** Whether a file is a SQLite file that is encrypted as a ledger is: its header has the sizes of one, and not its name. */
export function isEncrypted(path: string): boolean {
  const head = headOf(path);
  if (head === undefined) return false;
  return !head.subarray(0, MAGIC.length).equals(MAGIC) && head.subarray(20).equals(SIZES);
}

/** The first bytes of a file; undefined if it has fewer. One that cannot be read is for SQLite to complain of. */
function headOf(path: string): Buffer | undefined {
  const head = Buffer.alloc(24);
  try {
    const handle = openSync(path, "r");
    try {
      return readSync(handle, head, 0, head.length, 0) < head.length ? undefined : head;
    } finally {
      closeSync(handle);
    }
  } catch {
    return undefined;
  }
}

/** What is needed and was not given, or is not the right one. */
export class KeyError extends Error {}

/** A key of files, 64 hex digits, or several: after the key of a ledger was changed its segments have an earlier one. */
export type FileKeys = string | readonly string[];

/**
 * Opens an encrypted file for reading only, with whichever of the keys is its own. This alone needs more than Node: the build of SQLite that
 * can decrypt (docs/ledger-format.md), which is not loaded for anything else. Throws `KeyError`, and what SQLite says.
 */
export function openEncrypted(path: string, keys: FileKeys | undefined): Database {
  const all = typeof keys === "string" ? [keys] : (keys ?? []);
  if (all.length === 0) throw new KeyError("it is encrypted: give its key with --key-file or CALLGATE_LEDGER_KEY");
  const Sqlite = createRequire(import.meta.url)("better-sqlite3") as typeof BetterSqlite3;
  for (const key of all.map(keyOf)) {
    const db = new Sqlite(path, { readonly: true, fileMustExist: true });
    if (!isOpenedBy(db, key)) continue;
    return {
      exec: (sql) => void db.exec(sql),
      rows: (sql) => rowsOf(db.prepare(sql)),
      close: () => void db.close(),
    };
  }
  const which = all.length === 1 ? "the key does not open it; if it is" : "none of the keys opens it; if one is";
  throw new KeyError(`${which} the right one, the beginning of the file is damaged`);
}

/** Whether a key opens a file, which is closed if it does not. Throws what SQLite says of anything else. */
function isOpenedBy(db: BetterSqlite3.Database, key: string): boolean {
  try {
    db.pragma("cipher = 'aegis'");
    db.pragma(`key = 'raw:${key}'`);
    db.pragma("temp_store = MEMORY");
    db.prepare("SELECT count(*) FROM sqlite_schema").get();
    return true;
  } catch (error) {
    db.close();
    if ((error as { code?: string }).code !== "SQLITE_NOTADB") throw error;
    return false;
  }
}

/** A key as people write it. Throws a `KeyError` that does not say what was given. */
function keyOf(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text.trim())) return text.trim().toLowerCase();
  throw new KeyError("its key is not 64 hex digits");
}

function rowsOf(statement: BetterSqlite3.Statement): Rows {
  const rows = statement.raw().safeIntegers();
  const plain = (row: unknown): unknown[] => (row as unknown[]).map(plainValue);
  return {
    get(...values) {
      const row = rows.get(...values);
      return row === undefined ? undefined : plain(row);
    },
    all: (...values) => rows.all(...values).map(plain),
    *iterate(...values) {
      for (const row of rows.iterate(...values)) yield plain(row);
    },
  };
}

/** A value as Node's own SQLite gives it. */
function plainValue(value: unknown): unknown {
  if (Buffer.isBuffer(value)) return new Uint8Array(value.buffer, value.byteOffset, value.length);
  if (typeof value !== "bigint") return value;
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw Object.assign(new RangeError(`${value} is too large`), { code: "ERR_OUT_OF_RANGE" });
}
