import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { ML_DSA_PUBLIC, mlDsaPublicKey } from "./ml-dsa.ts";

/**
 * Signed notes (C2SP signed-note): a text, an empty line, and a line `— <name> <base64(4-byte key id || signature)>` for each
 * signature.
 */

/** Ed25519, as the first byte of a key and of its id says it. */
export const ED25519 = 0x01;
/** An Ed25519 signature of a time and a note, by a witness (C2SP tlog-cosignature). */
export const COSIGNATURE = 0x04;
/** An ML-DSA-44 signature of a time and a checkpoint (C2SP tlog-cosignature). */
export const ML_DSA = 0x06;

/** A public key that notes are checked with. */
export interface VerifierKey {
  readonly name: string;
  readonly algorithm: number;
  /** Four bytes, in hex. */
  readonly id: string;
  readonly key: KeyObject;
  /** `<name>+<id>+<base64(algorithm || key)>`. */
  readonly text: string;
}

/** One line of a note's signatures. */
export interface Signature {
  readonly name: string;
  /** Of the key, in hex. */
  readonly id: string;
  /** What follows the key's id. */
  readonly bytes: Buffer;
  /** The line, without its end. */
  readonly line: string;
}

/** A note that was read. No signature has been checked. */
export interface Note {
  /** What is signed, with the newline at its end. */
  readonly text: string;
  readonly signatures: readonly Signature[];
}

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** The first four bytes of SHA-256(name, newline, algorithm, public key), in hex. */
export function keyId(name: string, algorithm: number, publicKey: Uint8Array): string {
  return hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(algorithm), publicKey]), "hex").slice(0, 8);
}

/** The 32 bytes of the public half of an Ed25519 key. */
export function publicBytes(privateKey: KeyObject): Buffer {
  const { x } = privateKey.export({ format: "jwk" });
  return Buffer.from(x as string, "base64url");
}

/** An Ed25519 private key of 32 bytes. */
export function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
}

/** How a public key is written for those who check notes. */
export function verifierKeyText(name: string, publicKey: Uint8Array, algorithm = ED25519): string {
  const base64 = Buffer.concat([Buffer.of(algorithm), publicKey]).toString("base64");
  return `${name}+${keyId(name, algorithm, publicKey)}+${base64}`;
}

/** Reads a verifier key; undefined if it is none, or of an algorithm that is not known here. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, name, id, base64] = match as unknown as [string, string, string, string];
  const bytes = decode(base64);
  const algorithm = bytes?.[0];
  if (bytes === undefined || algorithm === undefined) return undefined;
  const publicKey = bytes.subarray(1);
  const length = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA]: ML_DSA_PUBLIC }[algorithm];
  if (publicKey.length !== length || keyId(name, algorithm, publicKey) !== id) return undefined;
  const key =
    algorithm === ML_DSA
      ? mlDsaPublicKey(publicKey)
      : createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
  return { name, algorithm, id, key, text: text.trim() };
}

/** The line of a signature. */
export function signatureLine(name: string, id: string, bytes: Uint8Array): string {
  return `— ${name} ${Buffer.concat([Buffer.from(id, "hex"), bytes]).toString("base64")}\n`;
}

/** Signs a text, which MUST end in a newline, and gives the note. */
export function signNote(text: string, name: string, id: string, privateKey: KeyObject): string {
  return `${text}\n${signatureLine(name, id, sign(null, Buffer.from(text), privateKey))}`;
}

/** Reads a note; undefined if it is none. Signatures by keys that nobody knows here are kept like any other. */
export function parseNote(note: string): Note | undefined {
  // The text may hold empty lines: what counts is the last one.
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) return undefined;
  const signatures: Signature[] = [];
  for (const line of note.slice(cut + 2, -1).split("\n")) {
    const match = /^— (\S+) ([A-Za-z0-9+/=]+)$/.exec(line);
    const bytes = decode(match?.[2] ?? "");
    if (match === null || bytes === undefined || bytes.length < 5 || match[1]?.includes("+")) return undefined;
    signatures.push({ name: match[1] as string, id: bytes.toString("hex", 0, 4), bytes: bytes.subarray(4), line });
  }
  return { text: note.slice(0, cut + 1), signatures };
}

/** True if a key of the algorithm `ED25519` signed the note, and nothing in it passes itself off as that key's signature. */
export function isSignedBy(note: Note, key: VerifierKey): boolean {
  if (key.algorithm !== ED25519) return false;
  const own = note.signatures.filter(({ name, id }) => name === key.name && id === key.id);
  return own.length > 0 && own.every(({ bytes }) => verify(null, Buffer.from(note.text), key.key, bytes));
}

/** Standard base64 with its padding; undefined for any other way to write the same bytes. */
export function decode(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? bytes : undefined;
}
