import { type KeyObject, randomBytes } from "node:crypto";
import { closeSync, existsSync, fstatSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import type Database from "better-sqlite3";
import { LOG_KEY, secretKey } from "./cipher.ts";
import { openDataFile } from "./data-file.ts";
import { makePrivate } from "./folder.ts";

/** Keys that are kept in memory; more sessions than these at a time look theirs up again. */
const CACHED = 10_000;

export function payloadKeysPath(folder: string): string {
  return join(resolve(folder), "payload-keys.db");
}

/** What the ledger knows of its keys. */
export interface KeysOf {
  readonly log: string;
  /** Whether it has records: then its keys MUST be there. */
  readonly begun: boolean;
  /** Sessions that its records say were shredded. */
  readonly shredded: readonly string[];
}

/**
 * The keys of payloads, one a session, for the writer. They stand in a file of their own, without a write-ahead log and with
 * what is deleted overwritten, so that a key that goes is gone.
 */
export class PayloadKeys {
  readonly #db: Database.Database;
  readonly #cache = new Map<string, KeyObject>();
  readonly #shredded: Set<string>;

  private constructor(db: Database.Database) {
    this.#db = db;
    this.#shredded = new Set(db.prepare<[], string>("SELECT session FROM shredded").pluck().all());
  }

  /**
   * Throws `LEDGER_KEYS_MISSING` where a ledger has records and its keys are not there, or another log's are. A session that was
   * shredded stays so, also where an older copy of its key was put back.
   */
  static open(folder: string, sync: "full" | "off", of: KeysOf): PayloadKeys {
    const path = payloadKeysPath(folder);
    if (of.begun && !existsSync(path)) throw missing(folder, "not there");
    makePrivate(path);
    const db = openDataFile(path, { timeout: 0 });
    try {
      scrub(db, path);
      if (of.begun && db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'key'").get() === undefined)
        throw missing(folder, "not in their file");
      db.pragma(`synchronous = ${sync === "full" ? "FULL" : "OFF"}`);
      db.pragma("secure_delete = ON");
      db.exec(`CREATE TABLE IF NOT EXISTS key (session TEXT PRIMARY KEY, key BLOB NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS shredded (session TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS log (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;`);
      makeArchived(db);
      // A file that was made before it named its log has none.
      const owner = db.prepare<[], string>("SELECT id FROM log").pluck().get();
      if (owner === undefined) db.prepare("INSERT INTO log (id) VALUES (?)").run(of.log);
      else if (owner !== of.log) throw missing(folder, `those of the log \`${owner}\``);
      const keys = new PayloadKeys(db);
      for (const session of of.shredded) if (!keys.isShredded(session)) keys.shred(session);
      return keys;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** True if the session's key was taken away, for good. */
  isShredded(session: string): boolean {
    return this.#shredded.has(session);
  }

  /**
   * Makes sure that each of the sessions has a key, or the log where it was shredded; durable when it returns, all new ones
   * with one sync. Throws `SQLITE_BUSY` if somebody reads just now.
   */
  provide(sessions: Iterable<string>): void {
    const wanted = new Set<string>();
    for (const session of sessions) wanted.add(this.#shredded.has(session) ? LOG_KEY : session);
    let missing = [...wanted].filter((id) => !this.#cache.has(id));
    if (missing.length === 0) return;
    if (this.#cache.size + missing.length > CACHED) {
      // Those of this call that were there are gone with the others.
      this.#cache.clear();
      missing = [...wanted];
    }
    const read = this.#db.prepare<[string], Buffer>("SELECT key FROM key WHERE session = ?").pluck();
    const fresh = new Map<string, Buffer>();
    for (const session of missing) {
      const known = read.get(session);
      if (known === undefined) fresh.set(session, randomBytes(32));
      else this.#cache.set(session, secretKey(known));
    }
    if (fresh.size === 0) return;
    const insert = this.#db.prepare("INSERT INTO key (session, key) VALUES (?, ?)");
    this.#db.transaction(() => {
      for (const [session, key] of fresh) insert.run(session, key);
    })();
    for (const [session, key] of fresh) this.#cache.set(session, secretKey(key));
  }

  /** The key of a session that `provide` was asked for last; the log's own if the session was shredded. */
  key(session: string): KeyObject {
    const key = this.#cache.get(this.#shredded.has(session) ? LOG_KEY : session);
    if (key === undefined) throw new Error(`no key was provided for \`${session}\``);
    return key;
  }

  /** Takes a session's key away: once this returns, the file does not hold it. Returns whether there was one. */
  shred(session: string): boolean {
    const had = this.#db.transaction(() => {
      this.#db.prepare("INSERT OR IGNORE INTO shredded (session, at) VALUES (?, ?)").run(session, Date.now());
      return this.#db.prepare("DELETE FROM key WHERE session = ?").run(session).changes > 0;
    })();
    this.#cache.delete(session);
    this.#shredded.add(session);
    scrub(this.#db, this.#db.name);
    return had;
  }

  /** Notes that records of these sessions were archived: their keys do not go with the ledger's last record of them. */
  keepArchived(sessions: readonly string[]): void {
    const note = this.#db.prepare("INSERT OR IGNORE INTO archived (session) VALUES (?)");
    this.#db.transaction(() => {
      for (const session of sessions) note.run(session);
    })();
  }

  /** Takes away the keys of sessions that have no records any more, but for those that have archived ones. A session that goes on gets a new one. */
  drop(sessions: ReadonlySet<string>): void {
    const drop = this.#db.prepare(
      "DELETE FROM key WHERE session = ? AND NOT EXISTS (SELECT 1 FROM archived WHERE archived.session = key.session)",
    );
    const dropped = this.#db.transaction(() => [...sessions].filter((session) => drop.run(session).changes > 0))();
    if (dropped.length === 0) return;
    for (const session of dropped) this.#cache.delete(session);
    scrub(this.#db, this.#db.name);
  }

  close(): void {
    this.#db.close();
  }
}

/** Makes the table of sessions that have archived records. Of a file that is older nobody knows which have: it is taken to be all. */
function makeArchived(db: Database.Database): void {
  if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'archived'").get() !== undefined) return;
  db.exec(`BEGIN IMMEDIATE;
    CREATE TABLE archived (session TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    INSERT INTO archived SELECT session FROM key;
    COMMIT`);
}

/** Whether a data folder has the key of a session's payloads. */
export function hasKey(folder: string, session: string): boolean {
  const reader = new PayloadKeyReader(folder);
  try {
    return reader.key(session) !== undefined;
  } finally {
    reader.close();
  }
}

function missing(folder: string, where: string): CallgateError {
  return new CallgateError("LEDGER_KEYS_MISSING", `the keys of the payloads in \`${folder}\` are ${where}`, {
    help: "restore `payload-keys.db` from a backup, or use a new data folder: without it nothing that was recorded can be read",
  });
}

/**
 * Overwrites the rollback journal, which holds pages as they were before a change, with the keys in them. It is kept and used
 * again all the time: deleted, it would leave them in blocks of the disk that nobody can reach to overwrite.
 */
function scrub(db: Database.Database, path: string): void {
  // A journal that a crash left is applied before anything is read.
  db.prepare("SELECT 1 FROM sqlite_schema").get();
  db.pragma("journal_mode = PERSIST");
  const journal = `${path}-journal`;
  if (!existsSync(journal)) return;
  const handle = openSync(journal, "r+");
  try {
    writeSync(handle, Buffer.alloc(fstatSync(handle).size), 0, undefined, 0);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** For how long a reader relies on what it read of a key, in milliseconds: one that is shredded is forgotten then. */
const TRUST_MS = 1000;

/** The keys of payloads, for reading. A key that is not there is one that was shredded. */
export class PayloadKeyReader {
  readonly #folder: string;
  readonly #cache = new Map<string, KeyObject | undefined>();
  #db: Database.Database | undefined;
  #until = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  key(session: string): KeyObject | undefined {
    const now = performance.now();
    if (now > this.#until || this.#cache.size > CACHED) {
      this.#cache.clear();
      this.#until = now + TRUST_MS;
    }
    if (this.#cache.has(session)) return this.#cache.get(session);
    const bytes = this.#open()?.prepare<[string], Buffer>("SELECT key FROM key WHERE session = ?").pluck().get(session);
    const key = bytes === undefined ? undefined : secretKey(bytes);
    this.#cache.set(session, key);
    return key;
  }

  close(): void {
    this.#db?.close();
  }

  #open(): Database.Database | undefined {
    const path = payloadKeysPath(this.#folder);
    if (this.#db === undefined && existsSync(path))
      this.#db = openDataFile(path, { readonly: true, fileMustExist: true });
    return this.#db;
  }
}
