import { randomBytes } from "node:crypto";
import { chmod, link, mkdir, readFile, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK } from "jose";

/** The broker's signing key, for tokens it issues itself. */
export interface SigningKey {
  readonly id: string;
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

/**
 * The Ed25519 key in `<folder>/token-key.json` (a private JWK, mode 0600); made on first use.
 * Throws `KEY_INVALID` if the file is there and is not such a key: it is never replaced.
 */
export async function openSigningKey(folder: string): Promise<SigningKey> {
  const file = join(folder, "token-key.json");
  const text = await readOrMake(folder, file, async () => {
    const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
    const jwk = await exportJWK(privateKey);
    return `${JSON.stringify({ ...jwk, kid: randomBytes(8).toString("hex"), alg: "EdDSA", use: "sig" })}\n`;
  });
  try {
    const jwk = JSON.parse(text) as JWK & { kid: string };
    const { d: _d, ...publicJwk } = jwk;
    const privateKey = (await importJWK(jwk, "EdDSA")) as CryptoKey;
    const publicKey = (await importJWK(publicJwk, "EdDSA")) as CryptoKey;
    if (typeof jwk.kid !== "string" || typeof jwk.d !== "string") throw new Error("no `kid` or no private part");
    return { id: jwk.kid, publicKey, privateKey };
  } catch (cause) {
    throw new CallgateError("KEY_INVALID", `\`${file}\` is not an Ed25519 private key: ${messageOf(cause)}`, {
      help: "restore it from a backup, or remove it to have a new one made: tokens signed with the old one then stop working",
      cause,
    });
  }
}

/** 32 random bytes in `<folder>/state.key`, made on first use: the key that binds multi-round requests. */
export async function openStateKey(folder: string): Promise<Buffer> {
  const file = join(folder, "state.key");
  const text = await readOrMake(folder, file, async () => `${randomBytes(32).toString("base64url")}\n`);
  const key = Buffer.from(text.trim(), "base64url");
  if (key.length !== 32)
    throw new CallgateError("KEY_INVALID", `\`${file}\` does not hold 32 bytes`, {
      help: "remove it to have a new one made",
    });
  return key;
}

async function readOrMake(folder: string, file: string, make: () => Promise<string>): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${file}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, await make(), { mode: 0o600, flag: "wx" });
  await chmod(draft, 0o600);
  // `link` fails where the file exists: of two processes that start together, one key wins and both read it.
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await unlink(draft);
  return await readFile(file, "utf8");
}
