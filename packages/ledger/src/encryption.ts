import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { formOf, openDataFile } from "./data-file.ts";
import { type FileKey, heldFileKey, holdFileKey } from "./file-key.ts";
import { ledgerPath, syncFolder, writeDurably } from "./folder.ts";
import { folderLease } from "./lease.ts";
import { payloadKeysPath } from "./payload-keys.ts";
import { keyOpens, type RekeyedFile, rekeyedFile, removeLeftovers } from "./rekeyed-file.ts";
import { isSealedText, sealText, unsealText } from "./sealed-text.ts";
import { indexPath } from "./search/attach.ts";
import { wipeAway, wipeable } from "./wipe.ts";

/** What became of a file of the folder. */
export interface Rekeyed {
  /** Its name in the folder. */
  readonly file: string;
  /** `left`: it was so already. `removed`: it is made anew when it is needed. */
  readonly what: "changed" | "left" | "removed";
}

/**
 * Encrypts all files of a data folder with `to`, or decrypts them without it; the key that is held for the folder is the one that
 * they have now, if they have any. No file is changed where it is: a copy under the new key takes its place in one step, once all
 * copies are made and checked. INVARIANT: whatever interrupts it, each file is the old one or the new one, and calling it again with
 * the same keys ends it and removes what was left. From then on `to` is held. Throws `LEDGER_LOCKED` while a broker runs,
 * `LEDGER_FILE_BUSY` while another program has a file open, `LEDGER_NOT_FOUND`, or what `openDataFile` does of keys.
 */
export function rekeyFolder(folder: string, to: FileKey | undefined): readonly Rekeyed[] {
  if (!existsSync(ledgerPath(folder)))
    throw new CallgateError("LEDGER_NOT_FOUND", `there is no ledger in \`${folder}\``, {
      help: "name the broker's data folder with `--data`",
    });
  const from = heldFileKey(folder);
  const lease = folderLease(folder);
  try {
    // A file may be a link to one on another disk.
    const files = [ledgerPath(folder), payloadKeysPath(folder), join(resolve(folder), "approvals.db")]
      .filter((path) => existsSync(path))
      .map((path) => realpathSync(path));
    for (const path of files) removeLeftovers(path);
    const done = rekeyFiles(files, from, to);
    rekeyTexts(join(resolve(folder), "pins"), folder, to);
    // It holds what the others do, and takes less time to make than to change.
    const index = indexPath(folder);
    const found = existsSync(index);
    for (const end of ["", "-wal", "-shm", "-journal"]) wipeAway(index + end);
    syncFolder(folder);
    holdFileKey(folder, to);
    for (const path of files) openDataFile(path, { readonly: true }).close();
    return found ? [...done, { file: "search.db", what: "removed" }] : done;
  } finally {
    lease.close();
  }
}

function rekeyFiles(files: readonly string[], from: FileKey | undefined, to: FileKey | undefined): readonly Rekeyed[] {
  const keys = files.map((path) => keyNow(path, from, to));
  const copies: (RekeyedFile | undefined)[] = [];
  try {
    for (const [i, path] of files.entries()) {
      const now = keys[i];
      copies.push(now === undefined ? undefined : rekeyedFile(path, now.key, to));
    }
    for (const copy of copies) copy?.swap();
  } finally {
    for (const copy of copies) copy?.close();
  }
  return files.map((path, i) => ({ file: basename(path), what: keys[i] === undefined ? "left" : "changed" }));
}

/** The key that a file has now; undefined if it is as it is to be. Throws what `openDataFile` does of keys. */
function keyNow(
  path: string,
  from: FileKey | undefined,
  to: FileKey | undefined,
): { readonly key: FileKey | undefined } | undefined {
  const form = formOf(path);
  if (form === "empty") return undefined;
  if (form === "plain") return to === undefined ? undefined : { key: undefined };
  if (form === "encrypted" && to !== undefined && keyOpens(path, to)) return undefined;
  if (form === "encrypted" && from !== undefined && keyOpens(path, from)) return { key: from };
  throw from === undefined && to === undefined
    ? new CallgateError("LEDGER_ENCRYPTED", `\`${basename(path)}\` is encrypted, and there is no key for it`, {
        help: "name a file that has the key with `--key-file`",
      })
    : new CallgateError("LEDGER_FILE_KEY_WRONG", `the key does not open \`${basename(path)}\``, {
        help: "give the key that it was encrypted with, with `--previous-key-file` if it is to get another one; if it is that one, the beginning of the file is damaged: restore a copy",
      });
}

/** Seals the texts of a folder within the data folder anew, those that are not yet as they are to be. */
function rekeyTexts(within: string, folder: string, to: FileKey | undefined): void {
  const from = heldFileKey(folder);
  if (!existsSync(within)) return;
  for (const name of readdirSync(within)) {
    const path = join(within, name);
    // A draft that was not put in its place.
    if (/^\.callgate-\d+-\d+\.tmp$|\.json\.new$/.test(name)) wipeAway(path);
    if (!name.endsWith(".json")) continue;
    const written = readFileSync(path, "utf8");
    if (!isSealedText(written) && to === undefined) continue;
    let text: string;
    try {
      text = unsealText(folder, name, written);
    } catch (error) {
      // One that has the new key already stays.
      if (error instanceof CallgateError) continue;
      throw error;
    }
    const old = wipeable(path);
    try {
      holdFileKey(folder, to);
      writeDurably(path, sealText(folder, name, text), 0o600);
    } finally {
      holdFileKey(folder, from);
      old?.wipe(0);
    }
  }
  syncFolder(dirname(within));
}
