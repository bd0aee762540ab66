import { closeSync, existsSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** The ledger's file in a data folder. */
export function ledgerPath(folder: string): string {
  return join(resolve(folder), "ledger.db");
}

/** Makes what was created or renamed in a folder durable. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Makes a file if it is missing, for its owner alone. SQLite gives its side files the same mode. One that is there MUST NOT be opened:
 * closing it would take away the locks that this process holds on it.
 */
export function makePrivate(path: string): void {
  if (existsSync(path)) return;
  closeSync(openSync(path, "a", 0o600));
}

/** Writes a file in one step, durably: whoever looks sees the old text or the new one. */
export function writeDurably(path: string, text: string, mode: number): void {
  const draft = `${path}.new`;
  const handle = openSync(draft, "w", mode);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, path);
  syncFolder(dirname(path));
}
