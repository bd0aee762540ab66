import { glob, readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import { PACK_PREFIX, packPolicies } from "@callgate/gateway";
import type { PolicySource } from "@callgate/policy";
import { shownName } from "./case-files.ts";

/**
 * The policy files that globs, names and packs (`pack:base`) select, each once, in the order of the names given and then of the files'. Globs
 * and names are relative to where the command runs. Throws `BAD_ARGUMENT` for one that selects nothing or cannot be read.
 */
export async function policySources(named: readonly string[]): Promise<PolicySource[]> {
  const files: string[] = [];
  for (const name of named) {
    const found = name.startsWith(PACK_PREFIX) ? [name] : await filesOf(name);
    if (found.length === 0) throw new CallgateError("BAD_ARGUMENT", `\`${name}\` in \`--policies\` matches no file`);
    files.push(...found);
  }
  return await Promise.all(
    [...new Set(files)].map((name) => (name.startsWith(PACK_PREFIX) ? sourceOfPack(name) : sourceOf(name))),
  );
}

async function sourceOfPack(name: string): Promise<PolicySource> {
  const pack = await packPolicies(name.slice(PACK_PREFIX.length));
  if (pack.ok) return pack.source;
  throw new CallgateError("BAD_ARGUMENT", `${pack.message}: \`${name}\` in \`--policies\``, { help: pack.help });
}

async function filesOf(name: string): Promise<string[]> {
  if (!/[*?[{]/.test(name)) return [resolve(name)];
  const found: string[] = [];
  for await (const path of glob(name)) if ((await stat(path)).isFile()) found.push(resolve(path));
  return found.sort();
}

async function sourceOf(file: string): Promise<PolicySource> {
  try {
    return { file: shownName(file), text: await readFile(file, "utf8") };
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `\`${shownName(file)}\` cannot be read: ${messageOf(error)}`);
  }
}
