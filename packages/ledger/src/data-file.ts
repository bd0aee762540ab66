import { closeSync, openSync, readSync } from "node:fs";
import { basename, dirname } from "node:path";
import { CallgateError } from "@callgate/core";
import Database from "better-sqlite3";
import { type FileKey, heldFileKey } from "./file-key.ts";

/** How the files of a data folder are encrypted: AEGIS-256, each page by itself and authenticated (SQLite3 Multiple Ciphers). */
const CIPHER = "aegis";
/** Bytes that it adds to each page: a nonce and a tag. They stand in the file's header, in the clear. */
const RESERVED = 64;
const MAGIC = Buffer.from("SQLite format 3\0");

/** What the beginning of a file says: nothing is there, SQLite's own form, that form encrypted, or something else. */
export type FileForm = "empty" | "plain" | "encrypted" | "other";

/** Looks at the beginning of a file; it may be missing. */
export function formOf(path: string): FileForm {
  const head = Buffer.alloc(24);
  let length: number;
  try {
    const handle = openSync(path, "r");
    try {
      length = readSync(handle, head, 0, head.length, 0);
    } finally {
      closeSync(handle);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "empty";
    throw error;
  }
  if (length === 0) return "empty";
  if (head.subarray(0, MAGIC.length).equals(MAGIC)) return "plain";
  // Of an encrypted file SQLite still needs the sizes, from the 16th byte on; the last three are the same in every database.
  const sizes = head.subarray(20);
  return length === head.length && sizes.equals(Buffer.of(RESERVED, 64, 32, 32)) ? "encrypted" : "other";
}

/**
 * Opens a SQLite file of a data folder with the key that is held for the folder, if there is one; a file that is not there is made so.
 * Throws `LEDGER_ENCRYPTED` without a key that is needed, `LEDGER_NOT_ENCRYPTED` for a plain file where there is a key,
 * `LEDGER_FILE_KEY_WRONG` for one that does not open it, and what SQLite throws.
 */
export function openDataFile(path: string, options: Database.Options = {}): Database.Database {
  const key = heldFileKey(dirname(path));
  const form = formOf(path);
  if (form === "plain" && key !== undefined) throw notEncrypted(path);
  if (form === "encrypted" && key === undefined) throw encrypted(path);
  return openWith(path, key, options);
}

/** Opens a SQLite file with a key, or as a plain one. Throws `LEDGER_FILE_KEY_WRONG`, and what SQLite throws. */
export function openWith(path: string, key: FileKey | undefined, options: Database.Options = {}): Database.Database {
  const db = new Database(path, options);
  if (key === undefined) return db;
  try {
    db.pragma(`cipher = '${CIPHER}'`);
    db.pragma(`key = '${keyText(key)}'`);
    // What SQLite sorts outside the memory it writes in the clear.
    db.pragma("temp_store = MEMORY");
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    return db;
  } catch (error) {
    db.close();
    throw (error as { code?: string }).code === "SQLITE_NOTADB" ? wrongKey(path, error) : error;
  }
}

/** Attaches a file to a connection that `openWith` made, with a key, or as a plain one. */
export function attachWith(db: Database.Database, path: string, name: "previous", key: FileKey | undefined): void {
  db.pragma(`cipher = '${CIPHER}'`);
  // An empty key is none; without a word on it the attached file would get that of the connection.
  db.prepare(`ATTACH ? AS ${name} KEY ?`).run(path, key === undefined ? "" : keyText(key));
}

/**
 * Attaches a file to a connection that `openDataFile` made, with the key of the connection's own folder: what is taken out of a
 * ledger, or belongs to it, is encrypted as the ledger is.
 */
export function attachDataFile(db: Database.Database, path: string, name: "search" | "segment"): void {
  const key = heldFileKey(dirname(db.name));
  // Without a word on the key the attached file would get that of the connection, too.
  if (key === undefined) db.prepare(`ATTACH ? AS ${name}`).run(path);
  else db.prepare(`ATTACH ? AS ${name} KEY ?`).run(path, keyText(key));
}

function keyText(key: FileKey): string {
  return `raw:${key}`;
}

function encrypted(path: string): CallgateError {
  return new CallgateError("LEDGER_ENCRYPTED", `\`${basename(path)}\` is encrypted, and there is no key for it`, {
    help: "for the broker, write `ledger.encryption.key` into the configuration, the one place that it takes its key from; for a command, name a file that has the key with `--key-file`, or set CALLGATE_LEDGER_KEY",
  });
}

function notEncrypted(path: string): CallgateError {
  return new CallgateError(
    "LEDGER_NOT_ENCRYPTED",
    `\`${basename(path)}\` is not encrypted, and there is a key for it`,
    {
      help: "stop the broker and run `callgate ledger encrypt`, or leave the key away",
    },
  );
}

function wrongKey(path: string, cause: unknown): CallgateError {
  return new CallgateError("LEDGER_FILE_KEY_WRONG", `the key does not open \`${basename(path)}\``, {
    help: "give the key that it was encrypted with; if it is that one, the beginning of the file is damaged: restore a copy",
    cause,
  });
}

/** Whether a file is an encrypted one of a data folder. */
export function isEncryptedFile(path: string): boolean {
  return formOf(path) === "encrypted";
}
