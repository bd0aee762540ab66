import { constants } from "node:fs";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isObject } from "@callgate/core";
import { parseCheckpoint } from "../checkpoint.ts";
import { type Anchor, compareNote } from "./anchor.ts";

/** Without waiting for whoever is at the other end of a pipe. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK;
const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** Bytes at the end of the file that are read first. */
const TAIL = 64 * 1024;

/** A file on another disk, or of another user: one line of JSON a checkpoint, appended and synced. Several logs may share it. */
export function fileAnchor(name: string, to: string): Anchor {
  const path = resolve(to);
  return {
    name,
    async compare(log) {
      return compareNote(await newestNote(path, log.origin), log);
    },
    async keep({ note }) {
      await mkdir(dirname(path), { recursive: true });
      const handle = await openFile(path, APPEND);
      try {
        const line = `${JSON.stringify({ v: 1, at: new Date().toISOString(), note })}\n`;
        // One write: lines of several logs do not mix.
        const { bytesWritten } = await handle.write(line);
        if (bytesWritten < Buffer.byteLength(line)) throw new Error("the file takes no more");
        await handle.datasync();
      } finally {
        await handle.close();
      }
      return undefined;
    },
  };
}

/** Opens what is a file: a pipe or a device keeps nothing, and may never answer. */
async function openFile(path: string, flags: number): Promise<FileHandle> {
  const handle = await open(path, flags, 0o600);
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new Error("it is not a regular file");
}

/** The newest note of a log in the file; undefined if the file has none or is not there. A line that a crash cut off goes. */
async function newestNote(path: string, origin: string): Promise<string | undefined> {
  const handle = await openFile(path, READ).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (handle === undefined) return undefined;
  try {
    const { size } = await handle.stat();
    for (const length of [Math.min(TAIL, size), size]) {
      const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
      const text = buffer.toString("utf8");
      const end = text.lastIndexOf("\n") + 1;
      if (end < text.length && size > 0) await mend(path, size - Buffer.byteLength(text.slice(end)));
      // The first line may begin before what was read.
      const lines = text
        .slice(0, end)
        .split("\n")
        .slice(length < size ? 1 : 0);
      for (const line of lines.toReversed()) {
        const note = noteIn(line, origin);
        if (note !== undefined) return note;
      }
    }
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Takes off a line without an end, or where the file may only grow ends it, so that the next one is whole. */
async function mend(path: string, size: number): Promise<void> {
  const handle = await open(path, "r+").catch(() => undefined);
  if (handle === undefined) {
    const appending = await openFile(path, APPEND);
    try {
      await appending.write("\n");
    } finally {
      await appending.close();
    }
    return;
  }
  try {
    await handle.truncate(size);
  } finally {
    await handle.close();
  }
}

function noteIn(line: string, origin: string): string | undefined {
  if (!line.includes(origin)) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    const note = isObject(value) ? value["note"] : undefined;
    if (typeof note !== "string") return undefined;
    return parseCheckpoint(note)?.checkpoint.origin === origin ? note : undefined;
  } catch {
    return undefined;
  }
}
