import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from "node:crypto";

/** Whose key protects what belongs to no session. */
export const LOG_KEY = "log";

const NONCE = 12;
const TAG = 16;

// Random bytes cost the same for one nonce as for many.
const nonces = Buffer.alloc(NONCE * 512);
let used = nonces.length;

function nextNonce(): Buffer {
  if (used === nonces.length) {
    randomFillSync(nonces);
    used = 0;
  }
  used += NONCE;
  return nonces.subarray(used - NONCE, used);
}

/** A key of 32 bytes, ready for use. */
export function secretKey(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes);
}

/**
 * Encrypts a payload with AES-256-GCM for its place in its log: nonce, ciphertext, tag. The nonce is random; a key MUST NOT be
 * used for more than 2^32 payloads.
 */
export function encryptPayload(key: KeyObject, text: string, log: string, seq: number, name: string): Buffer {
  const nonce = nextNonce();
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(Buffer.from(`${log}/${seq}/${name}`));
  const body = cipher.update(text, "utf8");
  cipher.final();
  return Buffer.concat([nonce, body, cipher.getAuthTag()]);
}

/** The text of a payload; undefined if it was not encrypted with this key for this place. */
export function decryptPayload(
  key: KeyObject,
  data: Buffer,
  log: string,
  seq: number,
  name: string,
): string | undefined {
  if (data.length < NONCE + TAG) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key, data.subarray(0, NONCE), { authTagLength: TAG });
  decipher.setAAD(Buffer.from(`${log}/${seq}/${name}`));
  decipher.setAuthTag(data.subarray(data.length - TAG));
  try {
    const text = decipher.update(data.subarray(NONCE, data.length - TAG));
    decipher.final();
    return text.toString("utf8");
  } catch {
    return undefined;
  }
}

/** A digest that only the key's holder can compare a text with: `hmac-sha256:` of the plain digest `sha256:<hex>`. */
export function keyedDigest(key: KeyObject, plain: string): string {
  return `hmac-sha256:${createHmac("sha256", key).update(plain).digest("hex")}`;
}
