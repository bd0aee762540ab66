import { open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

let counter = 0;

/**
 * Writes a file so that a reader sees the old or the new one, and a crash leaves one of them. A file that is there keeps its
 * mode, and a link stays a link; `mode` is for a new one. The folder MUST be there.
 */
export async function writeAtomically(path: string, text: string, mode: number): Promise<void> {
  const file = await realpath(path).catch(() => path);
  const there = await stat(file).catch(() => undefined);
  const fresh = join(dirname(file), `.callgate-${process.pid}-${++counter}.tmp`);
  try {
    const handle = await open(fresh, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.chmod(there ? there.mode & 0o777 : mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(fresh, file);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}

/** The text of a file, or undefined where there is none. */
export async function textIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
