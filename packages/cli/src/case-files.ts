import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { CallgateError, messageOf } from "@callgate/core";
import type { Config } from "@callgate/gateway";
import { CASE_FILE, type PolicySource } from "@callgate/policy";

/** The files of cases that were named. Throws `BAD_ARGUMENT` for one that cannot be read. */
export async function namedCases(named: readonly string[]): Promise<PolicySource[]> {
  return await Promise.all(named.map((file) => read(resolve(file))));
}

/** The policy file that a file of cases stands beside. */
export function policyFileOf(cases: string): string {
  return cases.replace(/\.test(\.ya?ml)$/, "$1");
}

/** The files of cases beside the policies of the configuration. */
export async function caseSources(config: Config): Promise<PolicySource[]> {
  const beside = config.sources.files
    .filter((file) => /\.ya?ml$/.test(file))
    .map((file) => (CASE_FILE.test(file) ? file : file.replace(/\.(ya?ml)$/, ".test.$1")));
  const found = await Promise.all([...new Set(beside)].sort().map((file) => readIfThere(file)));
  return found.flatMap((source) => source ?? []);
}

async function readIfThere(file: string): Promise<PolicySource | undefined> {
  try {
    return { file: shownName(file), text: await readFile(file, "utf8") };
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
    throw new CallgateError("BAD_ARGUMENT", `\`${shownName(file)}\` cannot be read: ${messageOf(error)}`);
  }
  throw new CallgateError("BAD_ARGUMENT", `there is no file \`${shownName(file)}\``);
}

/** Relative to where the command runs, if it is below. */
export function shownName(file: string): string {
  const short = relative(process.cwd(), file);
  return short.startsWith("..") ? file : short;
}
