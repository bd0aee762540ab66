import { closeSync, existsSync, fstatSync, fsyncSync, openSync, rmSync, statSync, writeSync } from "node:fs";

/** Bytes that are overwritten at a time. */
const WIPED = 1024 * 1024;

/** A file that is open for being overwritten, whatever becomes of its name. */
export interface Wipeable {
  /** Overwrites it, unless it has more than `names` names: those are others' copies. Then closes it. */
  wipe(names: number): void;
  /** Only closes it. */
  close(): void;
}

/** Opens a file for being overwritten; undefined if it is not there. */
export function wipeable(path: string): Wipeable | undefined {
  if (!existsSync(path)) return undefined;
  const handle = openSync(path, "r+");
  return {
    wipe(names) {
      try {
        const { size, nlink } = fstatSync(handle);
        if (nlink > names) return;
        const zeros = Buffer.alloc(Math.min(size, WIPED));
        for (let at = 0; at < size; at += zeros.length)
          writeSync(handle, zeros, 0, Math.min(size - at, zeros.length), at);
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
    },
    close: () => closeSync(handle),
  };
}

/** Overwrites and removes a file. One that has a further name is only removed: the bytes are another's, too. */
export function wipeAway(path: string): void {
  wipeable(path)?.wipe(1);
  rmSync(path, { force: true });
}

/** Whether two names are of the same file. */
export function isSameFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}
