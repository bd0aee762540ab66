import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { CallgateError } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { attachWith, openWith } from "./data-file.ts";
import type { FileKey } from "./file-key.ts";
import { makePrivate, syncFolder } from "./folder.ts";
import { isSameFile, wipeAway, wipeable } from "./wipe.ts";

/** How long others may hold a file, in milliseconds. */
const WAIT_MS = 2000;

/** A file's copy under another key, complete and durable beside it. Until it takes its place the file is locked, and as it was. */
export interface RekeyedFile {
  /** Puts the copy in the file's place, in one step, and overwrites what was there. */
  swap(): void;
  /** Takes the copy away again, if it did not take the file's place, and gives up the lock. */
  close(): void;
}

/** The copy while it is made. */
const draftOf = (path: string): string => `${path}.rekey`;
/** A further name of what the copy replaced, until it is overwritten. */
const beforeOf = (path: string): string => `${path}.before`;

/** Removes what a run that was interrupted left beside a file. MUST be called with the folder's lease. */
export function removeLeftovers(path: string): void {
  for (const end of ["", "-journal", "-wal", "-shm"]) wipeAway(draftOf(path) + end);
  // If the copy did not yet take its place this is the file itself.
  if (isSameFile(beforeOf(path), path)) rmSync(beforeOf(path));
  else wipeAway(beforeOf(path));
}

/**
 * Whether a key opens an encrypted file, told from its first page alone: opened as a whole with a wrong one, SQLite would apply what
 * a crash left in a journal.
 */
export function keyOpens(path: string, key: FileKey): boolean {
  const draft = draftOf(path);
  const head = Buffer.alloc(65536);
  const handle = openSync(path, "r");
  const length = readSync(handle, head, 0, head.length, 0);
  closeSync(handle);
  // SQLite writes 65536 as 1.
  const written = head.readUInt16BE(16);
  makePrivate(draft);
  const page = openSync(draft, "r+");
  writeSync(page, head, 0, Math.min(length, written === 1 ? head.length : written));
  closeSync(page);
  try {
    openWith(draft, key, { readonly: true }).close();
    return true;
  } catch (error) {
    // The page is right, and the others are not there.
    return !(error instanceof CallgateError);
  } finally {
    rmSync(draft, { force: true });
  }
}

/**
 * Copies a file that has the key `from` into one that has `to`, row by row with what numbers the rows, and checks the copy. Nothing is
 * written anywhere else, and the file keeps its key. Throws `LEDGER_FILE_BUSY` if another program has it open, and what SQLite throws.
 */
export function rekeyedFile(path: string, from: FileKey | undefined, to: FileKey | undefined): RekeyedFile {
  const draft = draftOf(path);
  makePrivate(draft);
  keepOwner(draft, path);
  const db = openWith(draft, to, { timeout: WAIT_MS });
  // Opened before, since the lock that SQLite takes would be lost by closing it.
  const old = wipeable(path);
  let swapped = false;
  try {
    takeAlone(db, path, from);
    copy(db);
    check(db, draft, to);
    syncFile(draft);
  } catch (error) {
    db.close();
    old?.close();
    removeLeftovers(path);
    throw error;
  }
  return {
    swap() {
      const folder = dirname(path);
      // It would be applied to the copy.
      for (const end of ["-journal", "-wal"]) if (existsSync(path + end)) throw busy(path);
      const named = link(path, beforeOf(path));
      if (named) syncFolder(folder);
      renameSync(draft, path);
      syncFolder(folder);
      swapped = true;
      db.close();
      old?.wipe(named ? 1 : 0);
      rmSync(beforeOf(path), { force: true });
    },
    close() {
      if (swapped) return;
      db.close();
      old?.close();
      removeLeftovers(path);
    },
  };
}

/** Attaches the file as `previous`, with its log and journal taken in, and locked for as long as the connection is open. */
function takeAlone(db: Database, path: string, key: FileKey | undefined): void {
  const sides = ["-wal", "-journal"].map((end) => wipeable(path + end));
  let done = false;
  try {
    // A copy that is interrupted is thrown away: it needs no journal, and none of both files together. SQLite allows none at all only
    // to who may damage a file; in a new one there is nothing that this one would keep.
    db.pragma("main.journal_mode = MEMORY");
    db.pragma("temp_store = MEMORY");
    attachWith(db, path, "previous", key);
    // What a crash left in a journal or a log is applied first.
    db.prepare("SELECT 1 FROM previous.sqlite_schema").get();
    if (db.pragma("previous.journal_mode = DELETE", { simple: true }) !== "delete") throw busy(path);
    // A journal that is kept for further use goes only where it is asked to.
    db.pragma("previous.journal_mode = PERSIST");
    db.pragma("previous.journal_mode = DELETE");
    db.pragma("previous.locking_mode = EXCLUSIVE");
    db.exec("BEGIN EXCLUSIVE; COMMIT");
    done = !existsSync(`${path}-wal`) && !existsSync(`${path}-journal`);
    if (!done) throw busy(path);
  } catch (error) {
    if (/^SQLITE_(?:BUSY|LOCKED)/.test((error as { code?: string }).code ?? "")) throw busy(path, error);
    throw error;
  } finally {
    for (const side of sides)
      if (done) side?.wipe(0);
      else side?.close();
  }
}

interface Named {
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

function copy(db: Database): void {
  db.pragma("main.synchronous = FULL");
  db.pragma(`main.page_size = ${db.pragma("previous.page_size", { simple: true })}`);
  // What the rows say is copied as it is, also where somebody changed it.
  db.pragma("ignore_check_constraints = ON");
  db.pragma("foreign_keys = OFF");
  db.exec("BEGIN");
  const named = db
    .prepare<[], Named>("SELECT type, name, sql FROM previous.sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")
    .all();
  const make = (...types: string[]): void => {
    for (const { type, sql } of named) if (types.includes(type)) db.prepare(sql).run();
  };
  make("table");
  // With the indexes there, SQLite copies them too, and sorts nothing.
  make("index");
  for (const { type, name } of named) if (type === "table") copyRows(db, name);
  // They guard against what was just done.
  make("trigger", "view");
  for (const pragma of ["user_version", "application_id"])
    db.pragma(`main.${pragma} = ${db.pragma(`previous.${pragma}`, { simple: true })}`);
  db.exec("COMMIT");
}

function copyRows(db: Database, table: string): void {
  const info = db
    .prepare<[string], { ncol: number; wr: number }>("SELECT ncol, wr FROM pragma_table_list(?) WHERE schema = 'main'")
    .get(table);
  const columns = db
    .prepare<[string], { name: string; pk: number; type: string }>("SELECT name, pk, type FROM pragma_table_info(?)")
    .all(table);
  const keys = columns.filter(({ pk }) => pk > 0);
  const numbered = keys.length === 1 && keys[0]?.type.toUpperCase() === "INTEGER";
  const names = columns.map(({ name }) => quoted(name));
  // A number that SQLite gave by itself stays, too.
  if (info?.wr === 0 && !numbered) names.unshift("rowid");
  const list = names.join(", ");
  db.exec(`INSERT INTO main.${quoted(table)} (${list}) SELECT ${list} FROM previous.${quoted(table)}`);
}

/** What was copied MUST open with its key, be sound, and have as many rows. */
function check(db: Database, draft: string, to: FileKey | undefined): void {
  const copied = openWith(draft, to, { readonly: true, fileMustExist: true });
  try {
    const said = copied.pragma("integrity_check(1)", { simple: true });
    if (said !== "ok") throw new Error(`the copy is damaged: ${said}`);
    const tables = db
      .prepare<[], string>("SELECT name FROM previous.sqlite_schema WHERE type = 'table' ORDER BY name")
      .pluck()
      .all();
    for (const table of tables) {
      const count = (of: Database, schema: string): unknown =>
        of
          .prepare(`SELECT count(*) FROM ${schema}.${quoted(table)}`)
          .pluck()
          .get();
      if (count(copied, "main") !== count(db, "previous")) throw new Error(`the copy lacks rows of \`${table}\``);
    }
    if (tables.includes("record")) {
      const newest = (of: Database, schema: string): string =>
        JSON.stringify(of.prepare(`SELECT seq, hash FROM ${schema}.record ORDER BY seq DESC LIMIT 1`).raw().get());
      if (newest(copied, "main") !== newest(db, "previous")) throw new Error("the copy lacks the newest record");
    }
  } finally {
    copied.close();
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function keepOwner(draft: string, path: string): void {
  const { uid, gid } = statSync(path);
  const own = statSync(draft);
  // Run by root, it MUST stay the broker's.
  if (own.uid !== uid || own.gid !== gid) chownSync(draft, uid, gid);
}

function syncFile(path: string): void {
  const handle = openSync(path, "r+");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Gives a file a further name; false where the file system has no such thing. */
function link(path: string, name: string): boolean {
  try {
    linkSync(path, name);
    return true;
  } catch {
    return false;
  }
}

function busy(path: string, cause?: unknown): CallgateError {
  return new CallgateError("LEDGER_FILE_BUSY", `another program has \`${basename(path)}\` open`, {
    help: "end what reads the data folder (`callgate ledger`, `callgate approve`, a backup), and run it again; nothing was changed",
    ...(cause !== undefined && { cause }),
  });
}
