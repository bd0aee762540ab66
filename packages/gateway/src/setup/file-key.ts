import { dirname, resolve } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import { Findings } from "../config/findings.ts";
import { resolveFileKey } from "../config/ledger.ts";
import type { Secret } from "../config/secret.ts";
import { parseSource, readText, shownName } from "../config/source.ts";

/**
 * The key of the ledger's files that a configuration names; undefined if it names none. Reads that one key, as `dataFolderOf` does
 * its own. Throws `CONFIG_INVALID`.
 */
export async function fileKeyOf(path: string): Promise<Secret | undefined> {
  const file = resolve(path);
  const text = await readText(file, `configuration \`${shownName(file)}\``, "name it with `--config`");
  const read = text.ok ? parseSource(file, text.value) : text;
  if (!read.ok)
    throw new CallgateError("CONFIG_INVALID", "the configuration cannot be read", { diagnostics: read.diagnostics });
  const written = member(member(member(read.value.value, "ledger"), "encryption"), "key");
  if (typeof written !== "string") return undefined;
  const dir = dirname(file);
  const findings = new Findings();
  const place = { dir, data: dir, env: process.env, findings, secrets: [], files: [] };
  const key = await resolveFileKey(written, read.value, place);
  if (key === undefined)
    throw new CallgateError("CONFIG_INVALID", "the key of the ledger's files cannot be read", {
      diagnostics: findings.errors,
    });
  return key;
}

function member(value: unknown, name: string): unknown {
  return isObject(value) ? value[name] : undefined;
}
