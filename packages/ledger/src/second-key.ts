import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { type Checkpoint, originOf } from "./checkpoint.ts";
import { writeDurably } from "./folder.ts";
import { mlDsaBytes, mlDsaPrivateKey, mlDsaSign, newMlDsaKey } from "./ml-dsa.ts";
import { decode, keyId, ML_DSA, signatureLine, verifierKeyText } from "./note.ts";
import { readMeta } from "./schema.ts";

/** The second key of a log, with which its checkpoints are signed beside the first: one that no quantum computer breaks. */
export interface SecondKey {
  readonly vkey: string;
  /** Whether the ledger says already that it is this key. If not, it MUST be `named` with the first checkpoint that it signs. */
  readonly isNamed: boolean;
  /** Has the ledger say so, within the transaction of that checkpoint. */
  name(): void;
  /** Publishes the key, once that is durable. */
  publish(): void;
  /** The line of its signature, made at a time in Unix milliseconds. Takes some 0.4 ms. */
  line(checkpoint: Checkpoint, time: number): string;
}

const NAME = "ledger-key-ml-dsa-44.json";
const PUBLISHED = "ledger-ml-dsa-44.vkey";
/** Where the ledger says which key it is. */
export const SECOND_KEY = "vkey-ml-dsa-44";

/**
 * The ML-DSA-44 key of a log, made when it is asked for the first time: `ledger-key-ml-dsa-44.json`, for its owner alone, and
 * `ledger-ml-dsa-44.vkey`, for everybody. With the first checkpoint that it signs the ledger says which it is, and from then on it MUST
 * be that one: a ledger that names a key and has no signature of it was changed. Throws
 * `LEDGER_KEY_MISSING`, `LEDGER_KEY_INVALID` or `ML_DSA_UNKNOWN`.
 */
export function openSecondKey(db: Database, folder: string, log: string): SecondKey {
  const claimed = readMeta(db, SECOND_KEY);
  if (claimed !== undefined && !existsSync(join(folder, NAME)))
    throw new CallgateError("LEDGER_KEY_MISSING", `the ML-DSA-44 key of the ledger in \`${folder}\` is not there`, {
      help: `restore \`${NAME}\` from a backup, or leave \`ml-dsa-44\` out of \`ledger.signatures\``,
    });
  if (!existsSync(join(folder, NAME))) make(folder, log);
  const key = read(join(folder, NAME), log);
  if (claimed !== undefined && claimed !== key.vkey) throw invalid(join(folder, NAME));
  const published = join(folder, PUBLISHED);
  const publish = (): void => {
    if (!existsSync(published)) writeDurably(published, `${key.vkey}\n`, 0o644);
  };
  if (claimed !== undefined) publish();
  return {
    ...key,
    isNamed: claimed !== undefined,
    // The key itself is durable before the ledger names it.
    name: () => void db.prepare("INSERT INTO meta (key, value) VALUES (?, ?)").run(SECOND_KEY, key.vkey),
    publish,
  };
}

function make(folder: string, log: string): void {
  const { seed, publicKey } = mlDsaBytes(newMlDsaKey());
  const vkey = verifierKeyText(originOf(log), publicKey, ML_DSA);
  const text = JSON.stringify({ v: 1, log, vkey, seed: seed.toString("base64url") });
  writeDurably(join(folder, NAME), `${text}\n`, 0o600);
}

function read(path: string, log: string): Pick<SecondKey, "vkey" | "line"> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    const { v, seed, vkey, log: owner } = isObject(value) ? value : {};
    if (v !== 1 || owner !== log || typeof seed !== "string" || typeof vkey !== "string")
      throw new Error("no key in it");
    const name = originOf(log);
    // Base64 has a `+` of its own.
    const claimed = decode(/^[^+]+\+[^+]+\+(.+)$/.exec(vkey)?.[1] ?? "")?.subarray(1) ?? Buffer.alloc(0);
    const privateKey = mlDsaPrivateKey(Buffer.from(seed, "base64url"), claimed);
    const { publicKey } = mlDsaBytes(privateKey);
    if (verifierKeyText(name, publicKey, ML_DSA) !== vkey) throw new Error("two keys in it");
    const id = keyId(name, ML_DSA, publicKey);
    return {
      vkey,
      line: (checkpoint, time) =>
        signatureLine(name, id, mlDsaSign(privateKey, name, checkpoint, Math.floor(time / 1000))),
    };
  } catch (cause) {
    if (cause instanceof CallgateError) throw cause;
    throw invalid(path, cause);
  }
}

function invalid(path: string, cause?: unknown): CallgateError {
  return new CallgateError("LEDGER_KEY_INVALID", `\`${path}\` is not the ML-DSA-44 key of this ledger`, {
    help: "restore it from a backup, or leave `ml-dsa-44` out of `ledger.signatures`",
    cause,
  });
}
