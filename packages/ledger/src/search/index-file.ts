import { closeSync, existsSync, openSync, rmSync } from "node:fs";
import { CallgateError } from "@callgate/core";
import type Database from "better-sqlite3";
import { openDataFile } from "../data-file.ts";
import { indexPath } from "./attach.ts";
import { WORDS } from "./words.ts";

/** Changes with every change of what is indexed: an index of another version is made anew. */
const VERSION = "1";
const BUSY_MS = 30_000;
/** How long readers are waited for when what was forgotten is to leave the write-ahead log. */
const READERS_MS = 3000;

/** What the index holds of one record. */
export interface Entry {
  readonly seq: number;
  readonly session: string | undefined;
  readonly text: string;
}

/**
 * The index of words, open for writing. Several processes may have it open; each addition is checked against the
 * others'.
 */
export class IndexFile {
  readonly #db: Database.Database;

  private constructor(db: Database.Database) {
    this.#db = db;
  }

  /**
   * Opens a folder's index for the ledger `log`, made anew if it is another ledger's, of another version, or cannot be
   * read.
   */
  static open(folder: string, log: string): IndexFile {
    const path = indexPath(folder);
    try {
      return IndexFile.#open(path, log);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      if (!/^SQLITE_(?:NOTADB|CORRUPT|ERROR)|^LEDGER_(?:NOT_ENCRYPTED|ENCRYPTED|FILE_KEY_WRONG)$/.test(code))
        throw error;
      for (const end of ["", "-wal", "-shm"]) rmSync(path + end, { force: true });
      return IndexFile.#open(path, log);
    }
  }

  static #open(path: string, log: string): IndexFile {
    // It holds the words of arguments and results.
    closeSync(openSync(path, "a", 0o600));
    const db = openDataFile(path, { timeout: BUSY_MS });
    try {
      db.pragma("journal_mode = WAL");
      db.pragma("synchronous = NORMAL");
      // What is forgotten MUST be gone from the file, and merging leaves copies behind.
      db.pragma("secure_delete = ON");
      db.exec("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID");
      const file = new IndexFile(db);
      db.transaction(() => {
        if (file.#meta("version") !== VERSION || file.#meta("log") !== log) file.#make(log);
      }).immediate();
      return file;
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** The newest record that was looked at. */
  get indexed(): number {
    return Number(this.#meta("indexed") ?? 0);
  }

  /** Adds the records after `from` up to `to`. False, and nothing is added, if another process was faster. */
  add(entries: readonly Entry[], from: number, to: number): boolean {
    const words = this.#db.prepare("INSERT INTO words (rowid, text) VALUES (?, ?)");
    const entry = this.#db.prepare("INSERT INTO entry (seq, session) VALUES (?, ?)");
    const forgotten = this.#db.prepare("SELECT 1 FROM forgotten WHERE session = ?");
    return this.#db
      .transaction(() => {
        if (this.indexed !== from) return false;
        for (const { seq, session, text } of entries) {
          // Whoever forgot the session did so after its text was read.
          if (text === "" || (session !== undefined && forgotten.get(session) !== undefined)) continue;
          words.run(seq, text);
          entry.run(seq, session ?? null);
        }
        this.#set("indexed", String(to));
        return true;
      })
      .immediate();
  }

  /**
   * Takes a session's words out, for good: once this returns, neither the file nor its write-ahead log holds them. Takes
   * seconds where there are millions of records. Throws `LEDGER_INDEX_BUSY` if a reader keeps them in the log: they are
   * not found any more, and it MUST be called again.
   */
  forget(session: string): void {
    this.#db
      .transaction(() => {
        this.#db.prepare("INSERT OR IGNORE INTO forgotten (session) VALUES (?)").run(session);
        this.#db.prepare("DELETE FROM words WHERE rowid IN (SELECT seq FROM entry WHERE session = ?)").run(session);
        const { changes } = this.#db.prepare("DELETE FROM entry WHERE session = ?").run(session);
        // Deleting only marks the rows; merging everything into one leaves them out.
        if (changes > 0) this.#db.exec("INSERT INTO words (words) VALUES ('optimize')");
      })
      .immediate();
    this.#db.pragma(`busy_timeout = ${READERS_MS}`);
    const [left] = this.#db.pragma("wal_checkpoint(TRUNCATE)") as [{ readonly busy: number }];
    this.#db.pragma(`busy_timeout = ${BUSY_MS}`);
    if (left.busy !== 0)
      throw new CallgateError(
        "LEDGER_INDEX_BUSY",
        "another program reads the index of words, whose log still has those of the session",
        { help: "run it again once no other program reads the index" },
      );
  }

  /** Takes the words of the records before one out, for good. True if there were any. */
  forgetBefore(seq: number): boolean {
    const found = this.#db.prepare("SELECT 1 FROM entry WHERE seq < ? LIMIT 1").get(seq) !== undefined;
    if (!found) return false;
    this.#db
      .transaction(() => {
        this.#db.prepare("DELETE FROM words WHERE rowid IN (SELECT seq FROM entry WHERE seq < ?)").run(seq);
        this.#db.prepare("DELETE FROM entry WHERE seq < ?").run(seq);
        this.#db.exec("INSERT INTO words (words) VALUES ('optimize')");
      })
      .immediate();
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
    return true;
  }

  /** Forgets everything, so that the next addition begins with the first record. */
  clear(): void {
    const log = this.#meta("log") ?? "";
    this.#db.transaction(() => this.#make(log)).immediate();
    this.#db.pragma("wal_checkpoint(TRUNCATE)");
  }

  close(): void {
    this.#db.close();
  }

  #make(log: string): void {
    this.#db.exec("DROP TABLE IF EXISTS words; DROP TABLE IF EXISTS entry");
    this.#db.exec(WORDS);
    this.#db.exec(`CREATE TABLE entry (seq INTEGER PRIMARY KEY, session TEXT) STRICT;
      CREATE INDEX entry_session ON entry (session) WHERE session IS NOT NULL;
      CREATE TABLE IF NOT EXISTS forgotten (session TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`);
    this.#set("version", VERSION);
    this.#set("log", log);
    this.#set("indexed", "0");
  }

  #meta(key: string): string | undefined {
    return this.#db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck().get(key);
  }

  #set(key: string, value: string): void {
    this.#db.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)").run(key, value);
  }
}

/** Whether a folder has an index. */
export function hasIndex(folder: string): boolean {
  return existsSync(indexPath(folder));
}
