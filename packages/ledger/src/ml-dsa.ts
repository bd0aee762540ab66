import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { CallgateError } from "@callgate/core";
import type { Checkpoint } from "./checkpoint.ts";

/**
 * ML-DSA-44 (FIPS 204) signatures of checkpoints, in the form of C2SP tlog-cosignature: eight bytes of Unix seconds, and a signature of
 * 2420 bytes over a `cosigned_message`, which has the signer's name, the time, the log's origin, the size and the root.
 */

/** Bytes of a public key, and of a signature. */
export const ML_DSA_PUBLIC = 1312;
const SIGNATURE = 2420;
const ALGORITHM = "ML-DSA-44";

/** Throws `ML_DSA_UNKNOWN` where Node cannot: it came with OpenSSL 3.5. */
export function newMlDsaKey(): KeyObject {
  try {
    return generateKeyPairSync("ml-dsa-44").privateKey;
  } catch (cause) {
    throw new CallgateError("ML_DSA_UNKNOWN", "this Node cannot sign with ML-DSA-44", {
      help: "take a Node that is built with OpenSSL 3.5 or later, or leave `ml-dsa-44` out of `ledger.signatures`",
      cause,
    });
  }
}

/** The 1312 bytes of the public half, and the 32 that all of a key is made from. */
export function mlDsaBytes(privateKey: KeyObject): { readonly publicKey: Buffer; readonly seed: Buffer } {
  const { pub, priv } = privateKey.export({ format: "jwk" }) as { pub: string; priv: string };
  return { publicKey: Buffer.from(pub, "base64url"), seed: Buffer.from(priv, "base64url") };
}

export function mlDsaPrivateKey(seed: Uint8Array, publicKey: Uint8Array): KeyObject {
  const [priv, pub] = [seed, publicKey].map((bytes) => Buffer.from(bytes).toString("base64url"));
  return createPrivateKey({ key: { kty: "AKP", alg: ALGORITHM, priv, pub }, format: "jwk" });
}

export function mlDsaPublicKey(publicKey: Uint8Array): KeyObject {
  const pub = Buffer.from(publicKey).toString("base64url");
  return createPublicKey({ key: { kty: "AKP", alg: ALGORITHM, pub }, format: "jwk" });
}

/** What is signed of a checkpoint at a time, in Unix seconds, by whoever is called `name`. */
function message(name: string, seconds: bigint, { origin, size, root }: Checkpoint): Buffer {
  const numbers = Buffer.alloc(8);
  numbers.writeBigUInt64BE(seconds);
  // Of a whole tree the first leaf is leaf 0.
  const range = Buffer.alloc(16);
  range.writeBigUInt64BE(BigInt(size), 8);
  return Buffer.concat([Buffer.from("subtree/v1\n\0"), short(name), numbers, short(origin), range, root]);
}

/** A text with its length before it, in one byte. */
function short(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** What stands behind the key's id in the line of a signature. */
export function mlDsaSign(privateKey: KeyObject, name: string, checkpoint: Checkpoint, seconds: number): Buffer {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  return Buffer.concat([time, sign(null, message(name, BigInt(seconds), checkpoint), privateKey)]);
}

export function mlDsaVerify(key: KeyObject, name: string, checkpoint: Checkpoint, bytes: Buffer): boolean {
  if (bytes.length !== 8 + SIGNATURE) return false;
  return verify(null, message(name, bytes.readBigUInt64BE(), checkpoint), key, bytes.subarray(8));
}
