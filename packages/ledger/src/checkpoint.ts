import { decode, type Note, parseNote } from "./note.ts";

/** What a tree was at one moment (C2SP tlog-checkpoint). */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** What checkpoints of a log begin with. */
export function originOf(log: string): string {
  return `callgate/${log}`;
}

/** The text that is signed. */
export function checkpointText(origin: string, size: number, root: Buffer): string {
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/** Reads a signed checkpoint, whose signatures are not checked; undefined if it is none. Lines after the root are let pass. */
export function parseCheckpoint(note: string): { readonly checkpoint: Checkpoint; readonly note: Note } | undefined {
  const parsed = parseNote(note);
  const checkpoint = parsed && checkpointIn(parsed.text);
  return parsed && checkpoint && { checkpoint, note: parsed };
}

/** The checkpoint that a note's text is; undefined if it is none. */
export function checkpointIn(text: string): Checkpoint | undefined {
  const [origin, size, root] = text.split("\n");
  if (!origin || size === undefined || root === undefined) return undefined;
  if (!/^(?:0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  const bytes = decode(root);
  return bytes?.length === 32 ? { origin, size: Number(size), root: bytes } : undefined;
}
