import { createDecipheriv } from "node:crypto";

const NONCE = 12;
const TAG = 16;
/** Whose key opens the payloads of records without a session. */
const LOG_KEY = "log";

/** The keys of payloads, by session. */
export type PayloadKeys = ReadonlyMap<string, Uint8Array>;

/** The key of a record's payloads; undefined if it is gone. */
export function keyOf(keys: PayloadKeys, session: unknown): Uint8Array | undefined {
  return keys.get(typeof session === "string" ? session : LOG_KEY);
}

/** True if a stored payload (nonce, ciphertext, tag) is one that `key` sealed for this place of this log. */
export function opens(key: Uint8Array, data: Uint8Array, log: string, seq: number, name: string): boolean {
  return opened(key, data, log, seq, name) !== undefined;
}

/** What is in a stored payload that `key` sealed for this place of this log; undefined for any other. */
export function opened(key: Uint8Array, data: Uint8Array, log: string, seq: number, name: string): Buffer | undefined {
  if (data.length < NONCE + TAG) return undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, data.subarray(0, NONCE));
    decipher.setAAD(Buffer.from(`${log}/${seq}/${name}`));
    decipher.setAuthTag(data.subarray(data.length - TAG));
    return Buffer.concat([decipher.update(data.subarray(NONCE, data.length - TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
}
