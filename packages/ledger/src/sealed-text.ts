import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { CallgateError } from "@callgate/core";
import { heldFileKey } from "./file-key.ts";

/** What a sealed text begins with. The rest is base64: a nonce of 12 bytes, the AES-256-GCM ciphertext, a tag of 16. */
const HEAD = "callgate-sealed/1 ";
const NONCE = 12;
const TAG = 16;

/** Whether a text is a sealed one. */
export function isSealedText(written: string): boolean {
  return written.startsWith(HEAD);
}

/** A text as it is to stand in a file of a data folder: sealed where a key is held for the folder. `name` MUST be that of the file. */
export function sealText(folder: string, name: string, text: string): string {
  const key = heldFileKey(folder);
  if (key === undefined) return text;
  const nonce = randomBytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(key, "hex"), nonce).setAAD(Buffer.from(name));
  const sealed = Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `${HEAD}${sealed.toString("base64")}\n`;
}

/** The text that a file of a data folder holds, sealed or not. Throws `LEDGER_ENCRYPTED` or `LEDGER_FILE_KEY_WRONG`. */
export function unsealText(folder: string, name: string, written: string): string {
  if (!isSealedText(written)) return written;
  const key = heldFileKey(folder);
  if (key === undefined)
    throw new CallgateError("LEDGER_ENCRYPTED", `\`${name}\` is encrypted, and there is no key for it`, {
      help: "for the broker, write `ledger.encryption.key` into the configuration; for a command, name a file that has the key with `--key-file`, or set CALLGATE_LEDGER_KEY",
    });
  const sealed = Buffer.from(written.slice(HEAD.length), "base64");
  try {
    const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key, "hex"), sealed.subarray(0, NONCE), {
      authTagLength: TAG,
    });
    decipher.setAAD(Buffer.from(name)).setAuthTag(sealed.subarray(-TAG));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, -TAG)), decipher.final()]).toString("utf8");
  } catch (cause) {
    throw new CallgateError("LEDGER_FILE_KEY_WRONG", `the key does not open \`${name}\``, {
      help: "give the key that it was encrypted with",
      cause,
    });
  }
}
