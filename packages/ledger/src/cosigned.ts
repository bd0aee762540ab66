import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { isObject } from "@callgate/core";
import type { SignedCheckpoint } from "./anchor/anchor.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { isSignedBy, parseNote, parseVerifierKey } from "./note.ts";

/** A checkpoint with the signatures of a witness, as it is kept beside the ledger. */
export interface Cosigned {
  /** The witness, as it was configured. */
  readonly anchor: string;
  readonly size: number;
  /** The checkpoint's note, which all who signed it have a line in: the log, then the witness. */
  readonly note: string;
  /** Those who signed beside the log, by their keys' names, and when, in ISO 8601. Nothing has been checked. */
  readonly by: readonly { readonly name: string; readonly at: string }[];
}

/** Bytes before a cosignature: when it was made. */
const TIME = 8;
const LONGEST_MS = 8.64e15;

export function cosignedPath(folder: string): string {
  return join(resolve(folder), "cosignatures.jsonl");
}

/**
 * The newest checkpoint that each witness signed, as far as they were kept. What cannot be read is left out: it is evidence for others.
 * With the log's key so is what is not signed by it, or passes for that and is not: anybody can write to the file.
 */
export function readCosigned(folder: string, vkey?: string): readonly Cosigned[] {
  const key = vkey === undefined ? undefined : parseVerifierKey(vkey);
  let text: string;
  try {
    text = readFileSync(cosignedPath(folder), "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .flatMap((line) => parseLine(line) ?? [])
    .filter(({ note }) => {
      const read = key && parseNote(note);
      return vkey === undefined || (key !== undefined && read !== undefined && isSignedBy(read, key));
    });
}

function parseLine(line: string): Cosigned | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value["anchor"] !== "string" || typeof value["note"] !== "string") return undefined;
  const { anchor, note } = value as { anchor: string; note: string };
  const read = parseCheckpoint(note);
  if (read === undefined) return undefined;
  const { origin, size } = read.checkpoint;
  const by = read.note.signatures.flatMap(({ name, bytes }) =>
    name === origin || bytes.length <= TIME
      ? []
      : [{ name, at: new Date(Math.min(Number(bytes.readBigUInt64BE()) * 1000, LONGEST_MS)).toISOString() }],
  );
  return { anchor, size, note, by };
}

/**
 * Keeps of each witness the newest checkpoint that it signed, in `cosignatures.jsonl`. Written in one step and behind the commits; not
 * synced, since a newer one comes with the next.
 */
export class CosignedFile {
  readonly #path: string;
  readonly #kept: Map<string, string>;
  #writing: Promise<void> | undefined;
  #again = false;

  constructor(folder: string) {
    this.#path = cosignedPath(folder);
    this.#kept = new Map(readCosigned(folder).map(({ anchor, note }) => [anchor, note]));
  }

  /** `lines` are those of the witness's signatures. */
  keep(anchor: string, { note }: SignedCheckpoint, lines: string): void {
    this.#kept.set(anchor, `${note}${lines}`);
    this.#again = true;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** All that was to be kept is written, or cannot be. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const lines = [...this.#kept].map(([anchor, note]) => `${JSON.stringify({ v: 1, anchor, note })}\n`);
      try {
        await writeFile(`${this.#path}.new`, lines.join(""), { mode: 0o600 });
        await rename(`${this.#path}.new`, this.#path);
      } catch {
        // The witness itself has it; a folder that takes nothing more stops the ledger at its next commit.
        return;
      }
    }
  }
}
