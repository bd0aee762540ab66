import { type KeyObject, sign, verify } from "node:crypto";
import { checkpointIn } from "./checkpoint.ts";
import { mlDsaVerify } from "./ml-dsa.ts";
import { COSIGNATURE, ML_DSA, type Note, signatureLine, type VerifierKey } from "./note.ts";

/** Cosignatures of checkpoints (C2SP tlog-cosignature): a witness's word that it saw a checkpoint at a time. */

function signedText(text: string, seconds: bigint): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
}

/** The line with which a witness signs a checkpoint's text at a time, in Unix seconds. */
export function cosign(text: string, name: string, id: string, privateKey: KeyObject, seconds: number): string {
  const time = Buffer.alloc(8);
  time.writeBigUInt64BE(BigInt(seconds));
  const signature = sign(null, signedText(text, BigInt(seconds)), privateKey);
  return signatureLine(name, id, Buffer.concat([time, signature]));
}

/** True if a witness's key, of either algorithm, cosigned the checkpoint whose note this is. */
export function isCosignedBy(note: Note, key: VerifierKey): boolean {
  const own = note.signatures.filter(({ name, id }) => name === key.name && id === key.id);
  const checkpoint = checkpointIn(note.text);
  return (
    own.length > 0 &&
    own.every(({ bytes }) => {
      if (key.algorithm === ML_DSA)
        return checkpoint !== undefined && mlDsaVerify(key.key, key.name, checkpoint, bytes);
      if (key.algorithm !== COSIGNATURE || bytes.length !== 72) return false;
      return verify(null, signedText(note.text, bytes.readBigUInt64BE()), key.key, bytes.subarray(8));
    })
  );
}
