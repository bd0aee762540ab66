import { mkdir, readFile, realpath, rm } from "node:fs/promises";
import { join } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import { textIfThere, writeAtomically } from "./files.ts";

/** What was wrapped in one client's file: enough to put every entry back as it was written. */
export interface WrapRecord {
  readonly version: 1;
  readonly file: string;
  readonly backups: string[];
  /** By the client's name for the server: the entry's exact text, and the folder of its broker. */
  readonly servers: Record<string, { readonly original: string; readonly folder: string }>;
}

/** Reads a client's file, through links. Throws `CLIENT_CONFIG_INVALID`. */
export async function readClientFile(path: string): Promise<{ readonly file: string; readonly text: string }> {
  try {
    const file = await realpath(path);
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readFile(file));
    return { file, text };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const what =
      code === "ENOENT"
        ? "does not exist"
        : code === "ERR_ENCODING_INVALID_ENCODED_DATA"
          ? "is not UTF-8 text"
          : `cannot be read: ${code ?? "unknown error"}`;
    throw new CallgateError("CLIENT_CONFIG_INVALID", `\`${path}\` ${what}`, {
      help: "give the path of a client's MCP configuration",
    });
  }
}

/** The record of a client's file; an empty one if there is none. `base` is the folder of the client. */
export async function readRecord(base: string, file: string): Promise<WrapRecord> {
  const text = await textIfThere(join(base, "wrapped.json"));
  if (text === undefined) return { version: 1, file, backups: [], servers: {} };
  const parsed: unknown = JSON.parse(text);
  if (!isObject(parsed) || parsed["version"] !== 1) {
    throw new CallgateError(
      "WRAP_RECORD_INVALID",
      `\`${join(base, "wrapped.json")}\` is not a record of what was wrapped`,
      { help: "put the client's file back from its backup, then remove this record" },
    );
  }
  return parsed as unknown as WrapRecord;
}

/** Keeps a record, or removes one that names nothing any more. It holds entries with their secrets: for its owner alone. */
export async function writeRecord(base: string, record: WrapRecord): Promise<void> {
  const path = join(base, "wrapped.json");
  if (Object.keys(record.servers).length === 0) return await rm(path, { force: true });
  await mkdir(base, { recursive: true, mode: 0o700 });
  await writeAtomically(path, `${JSON.stringify(record, null, 2)}\n`, 0o600);
}
