import { resolve } from "node:path";
import { CallgateError } from "@callgate/core";

/** The key that the files of a data folder are encrypted with: 32 bytes, as 64 hex digits in lower case. */
export type FileKey = string;

const KEY = /^[0-9a-f]{64}$/i;

/**
 * Reads a key as people write it. Throws `FILE_KEY_INVALID`, which MUST NOT say what was given. There are no passphrases: one that
 * a person can remember can be guessed by whoever has the file.
 */
export function parseFileKey(text: string): FileKey {
  const trimmed = text.trim();
  if (KEY.test(trimmed)) return trimmed.toLowerCase();
  throw new CallgateError("FILE_KEY_INVALID", "the key of the ledger's files is not 64 hex digits", {
    help: "make one with `openssl rand -hex 32`, and keep it apart from the data folder",
  });
}

/**
 * Keys by data folder, for as long as this thread lives. A key opens files in so many places that each of them would have to pass it
 * on; here whoever names the folder has it. INVARIANT: it opens files of its own folder, and of no other.
 */
const held = new Map<string, FileKey>();

/** From now on the files of a data folder are opened, and made, with this key; without one they are plain. */
export function holdFileKey(folder: string, key: FileKey | undefined): void {
  if (key === undefined) held.delete(resolve(folder));
  else held.set(resolve(folder), parseFileKey(key));
}

/** The key that is held for a data folder; undefined if its files are plain. */
export function heldFileKey(folder: string): FileKey | undefined {
  return held.get(resolve(folder));
}
