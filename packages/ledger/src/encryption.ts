import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { formOf, openDataFile, openWith, rekey } from "./data-file.ts";
import { type FileKey, heldFileKey, holdFileKey } from "./file-key.ts";
import { ledgerPath, syncFolder, writeDurably } from "./folder.ts";
import { folderLease } from "./lease.ts";
import { payloadKeysPath } from "./payload-keys.ts";
import { sealText, unsealText } from "./sealed-text.ts";
import { indexPath } from "./search/attach.ts";

/** What became of a file of the folder. */
export interface Rekeyed {
  /** Its name in the folder. */
  readonly file: string;
  /** `left`: it was so already. `removed`: it is made anew when it is needed. */
  readonly what: "changed" | "left" | "removed";
}

/**
 * Encrypts all files of a data folder with `to`, or decrypts them without it; the key that is held for the folder is the one that
 * they have now, if they have any. Each file is changed in one transaction: whatever interrupts it, it can be called again. From then
 * on `to` is held. Throws `LEDGER_LOCKED` while a broker runs, `LEDGER_NOT_FOUND`, or what `openDataFile` does of keys.
 */
export function rekeyFolder(folder: string, to: FileKey | undefined): readonly Rekeyed[] {
  if (!existsSync(ledgerPath(folder)))
    throw new CallgateError("LEDGER_NOT_FOUND", `there is no ledger in \`${folder}\``, {
      help: "name the broker's data folder with `--data`",
    });
  const from = heldFileKey(folder);
  const lease = folderLease(folder);
  try {
    const files = [ledgerPath(folder), payloadKeysPath(folder), join(resolve(folder), "approvals.db")];
    const done = files.filter((path) => existsSync(path)).map((path) => rekeyFile(path, from, to));
    const texts = readTexts(join(resolve(folder), "pins"), folder);
    // It holds what the others do, and takes less time to make than to change.
    const index = indexPath(folder);
    const found = existsSync(index);
    for (const end of ["", "-wal", "-shm"]) rmSync(index + end, { force: true });
    syncFolder(folder);
    holdFileKey(folder, to);
    for (const { path, text } of texts) writeDurably(path, sealText(folder, basename(path), text), 0o600);
    for (const path of files) if (existsSync(path)) openDataFile(path, { readonly: true }).close();
    return found ? [...done, { file: "search.db", what: "removed" }] : done;
  } finally {
    lease.close();
  }
}

function rekeyFile(path: string, from: FileKey | undefined, to: FileKey | undefined): Rekeyed {
  const file = basename(path);
  const form = formOf(path);
  if (form === "empty" || (form === "plain" && to === undefined)) return { file, what: "left" };
  if (form === "encrypted" && to !== undefined && opens(path, to)) return { file, what: "left" };
  const db = openWith(path, form === "plain" ? undefined : from, { fileMustExist: true });
  try {
    // SQLite changes the key of a file only without a write-ahead log; whoever opens it next makes it one again.
    db.pragma("journal_mode = PERSIST");
    db.pragma("synchronous = FULL");
    rekey(db, to);
  } finally {
    db.close();
  }
  wipe(`${path}-journal`);
  return { file, what: "changed" };
}

function opens(path: string, key: FileKey): boolean {
  try {
    openWith(path, key, { readonly: true }).close();
    return true;
  } catch (error) {
    if (error instanceof CallgateError) return false;
    throw error;
  }
}

/** The texts of a folder within the data folder, as they are before any of them is changed. One that has the new key already stays. */
function readTexts(within: string, folder: string): readonly { readonly path: string; readonly text: string }[] {
  if (!existsSync(within)) return [];
  return readdirSync(within)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      const path = join(within, name);
      try {
        return [{ path, text: unsealText(folder, name, readFileSync(path, "utf8")) }];
      } catch (error) {
        if (error instanceof CallgateError) return [];
        throw error;
      }
    });
}

/** Bytes that are overwritten at a time. */
const WIPED = 1024 * 1024;

/** Overwrites and removes a journal that was kept: it holds pages as they were. */
function wipe(path: string): void {
  if (!existsSync(path)) return;
  const handle = openSync(path, "r+");
  try {
    const zeros = Buffer.alloc(Math.min(fstatSync(handle).size, WIPED));
    for (let at = fstatSync(handle).size; at > 0; at -= zeros.length)
      writeSync(handle, zeros, 0, Math.min(at, zeros.length));
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  rmSync(path);
}
