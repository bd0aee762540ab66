import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import type { Config } from "@callgate/gateway";
import { CASE_FILE, type PolicySource } from "@callgate/policy";

/** The files of cases that were named, or those beside the policies of the configuration. Throws `BAD_ARGUMENT` for one that was named and cannot be read. */
export async function caseSources(config: Config, named: readonly string[]): Promise<PolicySource[]> {
  if (named.length > 0) return await Promise.all(named.map((file) => read(resolve(file))));
  const beside = config.sources.files
    .filter((file) => /\.ya?ml$/.test(file))
    .map((file) => (CASE_FILE.test(file) ? file : file.replace(/\.(ya?ml)$/, ".test.$1")));
  const found = await Promise.all([...new Set(beside)].sort().map((file) => readIfThere(file)));
  return found.flatMap((source) => source ?? []);
}

async function readIfThere(file: string): Promise<PolicySource | undefined> {
  try {
    return { file: shown(file), text: await readFile(file, "utf8") };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

async function read(file: string): Promise<PolicySource> {
  try {
    const source = await readIfThere(file);
    if (source) return source;
  } catch (error) {
    throw new CallgateError("BAD_ARGUMENT", `\`${shown(file)}\` cannot be read: ${messageOf(error)}`);
  }
  throw new CallgateError("BAD_ARGUMENT", `there is no file \`${shown(file)}\``);
}

/** Relative to where the command runs, if it is below. */
function shown(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith("..") ? file : short;
}
