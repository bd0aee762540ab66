import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { CallgateError } from "@callgate/core";
import { syncFolder } from "../folder.ts";
import type { CursorPlace } from "./cursor.ts";
import type { ExportTarget, OutgoingRecord } from "./target.ts";

/**
 * Opens a file that takes one line for each record. INVARIANT: what is behind the cursor's place was never acknowledged, and is cut off before anything is
 * written, so that a crash at any moment neither repeats nor loses a line. Throws `EXPORT_TARGET` if the file is not the one that the cursor is about.
 */
export async function openFileTarget(
  path: string,
  place: CursorPlace | undefined,
  lineOf: (out: OutgoingRecord) => string,
): Promise<ExportTarget> {
  const handle = await openAt(path, place?.bytes ?? 0);
  let bytes = place?.bytes ?? 0;
  return {
    get bytes() {
      return bytes;
    },
    async put(records) {
      const data = Buffer.from(records.map((out) => `${lineOf(out)}\n`).join(""));
      for (let at = 0; at < data.length; )
        at += (await handle.write(data, at, data.length - at, bytes + at)).bytesWritten;
      await handle.datasync();
      bytes += data.length;
    },
    close: () => handle.close(),
  };
}

async function openAt(path: string, bytes: number): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, bytes === 0 ? "a" : "r+", 0o600);
    if (bytes === 0) {
      await handle.close();
      syncFolder(dirname(path));
      handle = await open(path, "r+");
    }
  } catch (cause) {
    if (bytes === 0 || (cause as { code?: string }).code !== "ENOENT") throw cause;
    throw changed(path, "is gone", cause);
  }
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw changed(path, "is not a file");
    if (stats.size < bytes) throw changed(path, `has ${stats.size} bytes, and the cursor is at ${bytes}`);
    if (stats.size > bytes) {
      await handle.truncate(bytes);
      await handle.sync();
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function changed(path: string, how: string, cause?: unknown): CallgateError {
  return new CallgateError("EXPORT_TARGET", `\`${path}\` ${how}`, {
    help: "put it back, or name a new file and go on with `--from SEQ`",
    cause,
  });
}
