import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";

/** A verifier key of a C2SP signed note. */
export interface NoteKey {
  readonly name: string;
  /** The first four bytes of SHA-256(name, newline, key bytes), in hex. */
  readonly id: string;
  readonly algorithm: number;
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

/** `wrong`: a signature says that it is the key's and is not. `no`: there is none by that key, or no key. */
export type Signed = "yes" | "no" | "wrong";

/** A note that was read; `signed` says whether a key that was asked about signed it, `second` the same of the log's second key. */
export type OpenedNote =
  | { readonly checkpoint: Checkpoint; readonly signed: Signed; readonly second: Signed }
  | { readonly problem: string };

const ED25519 = 1;
/** The algorithms of a witness's key: Ed25519, and ML-DSA-44, which is that of a log's second key too. */
export const COSIGNATURE = 4;
export const ML_DSA = 6;
/** Bytes of a key. */
const LENGTHS: Readonly<Record<number, number>> = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA]: 1312 };
/** Bytes of an ML-DSA-44 signature, and of the time before any cosignature. */
const ML_DSA_SIGNATURE = 2420;
const TIME = 8;
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex");

/** Reads `name+hash+base64(alg || key)`; undefined if it is no key of one of the algorithms, or its hash is not that of its name and key. */
export function parseNoteKey(text: string, ...algorithms: readonly number[]): NoteKey | undefined {
  const wanted = algorithms.length === 0 ? [ED25519] : algorithms;
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, name, id, base64] = match as unknown as [string, string, string, string];
  const bytes = decode(base64);
  const algorithm = bytes?.[0];
  if (bytes === undefined || algorithm === undefined || !wanted.includes(algorithm)) return undefined;
  if (bytes.length !== 1 + (LENGTHS[algorithm] ?? 0)) return undefined;
  if (hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), bytes]), "hex").slice(0, 8) !== id) return undefined;
  return { name, id, algorithm, key: publicKeyOf(algorithm, bytes.subarray(1)), text: text.trim() };
}

function publicKeyOf(algorithm: number, bytes: Buffer): KeyObject {
  if (algorithm === ML_DSA)
    return createPublicKey({ key: { kty: "AKP", alg: "ML-DSA-44", pub: bytes.toString("base64url") }, format: "jwk" });
  return createPublicKey({ key: Buffer.concat([SPKI_HEAD, bytes]), format: "der", type: "spki" });
}

/**
 * Reads a signed checkpoint, and whether `key`, of Ed25519, and `second`, of ML-DSA-44, signed it. Signatures of other names or unknown
 * algorithms are passed over.
 */
export function openNote(note: string, key: NoteKey | undefined, second?: NoteKey): OpenedNote {
  const cut = note.indexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return { problem: "it is not a signed note" };
  const body = note.slice(0, cut + 1);
  const checkpoint = parseCheckpoint(body);
  if (checkpoint === undefined) return { problem: "it does not say origin, size and root" };
  const lines = parseLines(note.slice(cut + 2, -1));
  if (lines === undefined) return { problem: "a signature of it cannot be read" };
  return {
    checkpoint,
    signed: signedBy(lines, key, body, checkpoint),
    second: signedBy(lines, second, body, checkpoint),
  };
}

/** When a witness's key signed a note, in Unix seconds; undefined if it did not. `lines` are those of the note's signatures. */
export function cosignedAt(note: string, lines: string, key: NoteKey): number | "wrong" | undefined {
  const body = note.slice(0, note.indexOf("\n\n") + 1);
  const checkpoint = parseCheckpoint(body);
  const parsed = parseLines(lines.trimEnd());
  if (checkpoint === undefined || parsed === undefined || key.algorithm === ED25519) return undefined;
  const signed = signedBy(parsed, key, body, checkpoint);
  if (signed === "wrong") return "wrong";
  const own = parsed.find((line) => line.name === key.name && line.id === key.id);
  return own && Number(own.bytes.readBigUInt64BE());
}

interface Line {
  readonly name: string;
  readonly id: string;
  /** What follows the key's id. */
  readonly bytes: Buffer;
}

function parseLines(text: string): readonly Line[] | undefined {
  const lines: Line[] = [];
  for (const line of text.split("\n")) {
    const match = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = match === null ? undefined : decode(match[2] as string);
    if (match === null || bytes === undefined || bytes.length < 5) return undefined;
    lines.push({ name: match[1] as string, id: bytes.toString("hex", 0, 4), bytes: bytes.subarray(4) });
  }
  return lines;
}

function signedBy(lines: readonly Line[], key: NoteKey | undefined, body: string, checkpoint: Checkpoint): Signed {
  const own = key === undefined ? [] : lines.filter(({ name, id }) => name === key.name && id === key.id);
  if (key === undefined || own.length === 0) return "no";
  return own.every(({ bytes }) => isRight(bytes, key, body, checkpoint)) ? "yes" : "wrong";
}

/** Checks one signature, by the form that its algorithm has in a note (C2SP signed-note, tlog-cosignature). */
function isRight(bytes: Buffer, key: NoteKey, body: string, checkpoint: Checkpoint): boolean {
  if (key.algorithm === ED25519) return verify(null, Buffer.from(body), key.key, bytes);
  if (bytes.length !== TIME + (key.algorithm === ML_DSA ? ML_DSA_SIGNATURE : 64)) return false;
  const time = bytes.readBigUInt64BE();
  const text =
    key.algorithm === ML_DSA
      ? cosignedMessage(key.name, time, checkpoint)
      : Buffer.from(`cosignature/v1\ntime ${time}\n${body}`);
  return verify(null, text, key.key, bytes.subarray(TIME));
}

/** What ML-DSA-44 signs: label, signer, time, log, first leaf, end and root. */
function cosignedMessage(name: string, time: bigint, { origin, size, root }: Checkpoint): Buffer {
  const sized = (text: string): Buffer => Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(text)]);
  const number = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return bytes;
  };
  const parts = [sized(name), number(time), sized(origin), number(0n), number(BigInt(size)), root];
  return Buffer.concat([Buffer.from("subtree/v1\n\0"), ...parts]);
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
