import { readFileSync } from "node:fs";
import { type Checkpoint, type NoteKey, openNote } from "./note.ts";

/** A checkpoint of this log that was kept outside its folder. */
export interface Anchored {
  readonly checkpoint: Checkpoint;
  /** Whether the log's key signed it. Costs a signature check, so that it is asked only where the answer matters. */
  isSigned(): boolean;
  /** Where it stands, as in `/mnt/anchor:12`. */
  readonly where: string;
}

/** What a place outside the folder holds. */
export interface Anchor {
  /** As it was named. */
  readonly name: string;
  /** Of this log, in the order in which they were kept. */
  readonly entries: readonly Anchored[];
  /** Checkpoints of other logs. */
  readonly others: number;
  /** Lines that are no checkpoints: a crash can leave a part of one. */
  readonly skipped: number;
  /** Nothing shows that it was the witness who answered: there was no key to check its signature with. */
  readonly unproven?: true;
  /** Why it cannot be read. */
  readonly problem?: string;
}

/**
 * Reads an anchor: lines of JSON, each with a `note`. A last line without an end is one that is being written, and is passed
 * over.
 */
export function readAnchorFile(name: string, path: string, origin: string, key: NoteKey | undefined): Anchor {
  return reading(
    name,
    path,
    (text) => {
      const lines = text.split("\n");
      lines.pop();
      return lines.map((line, i) => ({ note: noteOf(line), where: `${path}:${i + 1}` }));
    },
    origin,
    key,
  );
}

/** Reads a file that is one signed checkpoint. */
export function readCheckpointFile(path: string, origin: string, key: NoteKey | undefined): Anchor {
  return reading(path, path, (note) => [{ note, where: path }], origin, key);
}

function reading(
  name: string,
  path: string,
  split: (text: string) => readonly { readonly note: string | undefined; readonly where: string }[],
  origin: string,
  key: NoteKey | undefined,
): Anchor {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { name, entries: [], others: 0, skipped: 0, problem: `it cannot be read: ${(error as Error).message}` };
  }
  const entries: Anchored[] = [];
  let [others, skipped] = [0, 0];
  for (const { note, where } of split(text)) {
    const opened = note === undefined ? undefined : openNote(note, undefined);
    if (opened === undefined || "problem" in opened) skipped++;
    else if (opened.checkpoint.origin !== origin) others++;
    else entries.push({ checkpoint: opened.checkpoint, where, isSigned: () => isSigned(note as string, key) });
  }
  if (entries.length > 0 || skipped === 0) return { name, entries, others, skipped };
  return { name, entries, others, skipped, problem: "there is no checkpoint in it" };
}

function isSigned(note: string, key: NoteKey | undefined): boolean {
  const opened = openNote(note, key);
  return "signed" in opened && opened.signed === "yes";
}

function noteOf(line: string): string | undefined {
  try {
    const value = JSON.parse(line) as { note?: unknown } | null;
    return typeof value?.note === "string" ? value.note : undefined;
  } catch {
    return undefined;
  }
}
