import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import { originOf } from "./checkpoint.ts";
import { syncFolder, writeDurably } from "./folder.ts";
import { ED25519, keyId, privateKeyOf, publicBytes, signatureLine, verifierKeyText } from "./note.ts";

/** The key that a log's checkpoints are signed with. */
export interface LogKey {
  readonly log: string;
  /** Its public half, as those who check checkpoints want it. */
  readonly vkey: string;
  /** The note of a checkpoint's text. Takes some 20 us, which is less than another thread would take to wake up for it. */
  sign(text: string): string;
}

const NAME = "ledger-key.json";
const DRAFT = "ledger-key.json.new";

/** The key in a data folder; undefined if there is none. Throws `LEDGER_KEY_INVALID` for a file that holds no such key. */
export function readLogKey(folder: string): LogKey | undefined {
  return read(join(folder, NAME));
}

/** Makes a key for a new log, durably. It is not in place before `adoptLogKey`. */
export function draftLogKey(folder: string, log: string): LogKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  const key = logKey(log, privateKey);
  const seed = privateKey.export({ format: "jwk" }).d;
  writeDurably(join(folder, DRAFT), `${JSON.stringify({ v: 1, log, vkey: key.vkey, seed })}\n`, 0o600);
  return key;
}

/**
 * Puts the drafted key of a log in place, once the log is durable: `ledger-key.json`, for its owner alone. Also after a crash
 * between the two. Undefined if there is no draft, or another log's.
 */
export function adoptLogKey(folder: string, log: string): LogKey | undefined {
  const key = read(join(folder, DRAFT));
  if (key?.log !== log) return undefined;
  renameSync(join(folder, DRAFT), join(folder, NAME));
  syncFolder(folder);
  return key;
}

/** Writes `ledger.vkey`, the half of the key that everybody may know, if it is missing. Returns what it holds. */
export function publishKey(folder: string, key: LogKey): string {
  const path = join(folder, "ledger.vkey");
  if (!existsSync(path)) writeDurably(path, `${key.vkey}\n`, 0o644);
  return readFileSync(path, "utf8").trim();
}

function read(path: string): LogKey | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!isObject(value)) throw new Error("no object");
    const { v, log, seed } = value;
    const bytes = typeof seed === "string" ? Buffer.from(seed, "base64url") : Buffer.alloc(0);
    if (v !== 1 || typeof log !== "string" || bytes.length !== 32) throw new Error("no key in it");
    return logKey(log, privateKeyOf(bytes));
  } catch (cause) {
    throw new CallgateError("LEDGER_KEY_INVALID", `\`${path}\` is not the key of a ledger`, {
      help: "restore it from a backup: without it nothing can be added to the ledger beside it",
      cause,
    });
  }
}

function logKey(log: string, privateKey: KeyObject): LogKey {
  const name = originOf(log);
  const publicKey = publicBytes(privateKey);
  const id = keyId(name, ED25519, publicKey);
  return {
    log,
    vkey: verifierKeyText(name, publicKey),
    sign: (text) => `${text}\n${signatureLine(name, id, sign(null, Buffer.from(text), privateKey))}`,
  };
}
