import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";

/** A verifier key of a C2SP signed note. */
export interface NoteKey {
  readonly name: string;
  /** The first four bytes of SHA-256(name, newline, key bytes), in hex. */
  readonly id: string;
  readonly key: KeyObject;
  /** The key as it is written: `name+id+base64`. */
  readonly text: string;
}

/** A checkpoint as its note says it. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Buffer;
}

/** A note that was read; `signed` says whether a key that was asked about signed it. */
export type OpenedNote =
  | { readonly checkpoint: Checkpoint; readonly signed: "yes" | "no" | "wrong" }
  | { readonly problem: string };

const ED25519 = 1;
/** The algorithm of a witness's key. */
export const COSIGNATURE = 4;
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** Reads `name+hash+base64(alg || key)`; undefined if it is no Ed25519 key of the algorithm, or its hash is not that of its name and key. */
export function parseNoteKey(text: string, algorithm: number = ED25519): NoteKey | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, name, id, base64] = match as unknown as [string, string, string, string];
  const bytes = decode(base64);
  if (bytes?.length !== 33 || bytes[0] !== algorithm) return undefined;
  if (hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), bytes]), "hex").slice(0, 8) !== id) return undefined;
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, bytes.subarray(1)]), format: "der", type: "spki" });
  return { name, id, key, text: text.trim() };
}

/**
 * Reads a signed checkpoint. `signed`: `yes` if `key` signed it, `wrong` if a signature says it is the key's and is not,
 * `no` if there is none by that key (or no key). Signatures of other names or unknown algorithms are passed over.
 */
export function openNote(note: string, key: NoteKey | undefined): OpenedNote {
  const cut = note.indexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return { problem: "it is not a signed note" };
  const body = note.slice(0, cut + 1);
  const checkpoint = parseCheckpoint(body);
  if (checkpoint === undefined) return { problem: "it does not say origin, size and root" };
  let signed: "yes" | "no" | "wrong" = "no";
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const match = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match === null ? undefined : decode(match[2] as string);
    if (match === null || bytes === undefined || bytes.length < 5)
      return { problem: "a signature of it cannot be read" };
    if (key === undefined || match[1] !== key.name || bytes.toString("hex", 0, 4) !== key.id) continue;
    if (!verify(null, Buffer.from(body), key.key, bytes.subarray(4))) signed = "wrong";
    else if (signed === "no") signed = "yes";
  }
  return { checkpoint, signed };
}

/** Whether a witness's key, one of `COSIGNATURE`, signed a note at some time: `lines` is what the witness answered (C2SP tlog-cosignature). */
export function isCosigned(note: string, lines: string, key: NoteKey): boolean {
  const body = note.slice(0, note.indexOf("\n\n") + 1);
  const own = lines.split("\n").flatMap((line) => {
    const match = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match?.[1] === key.name ? decode(match[2] as string) : undefined;
    return bytes?.toString("hex", 0, 4) === key.id ? [bytes.subarray(4)] : [];
  });
  return (
    own.length > 0 &&
    own.every((bytes) => {
      if (bytes.length !== 72) return false;
      const signed = `cosignature/v1\ntime ${bytes.readBigUInt64BE()}\n${body}`;
      return verify(null, Buffer.from(signed), key.key, bytes.subarray(8));
    })
  );
}

function parseCheckpoint(body: string): Checkpoint | undefined {
  const [origin, size, root] = body.split("\n");
  if (origin === undefined || origin === "" || size === undefined || root === undefined) return undefined;
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) return undefined;
  const bytes = decode(root);
  return bytes?.length === 32 ? { origin, size: Number(size), root: bytes } : undefined;
}

/** Standard base64 with padding; undefined for any other way to write the same bytes. */
function decode(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? bytes : undefined;
}
