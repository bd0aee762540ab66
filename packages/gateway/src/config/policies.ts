import { glob, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { PolicySource } from "@callgate/policy";
import type { Findings } from "./findings.ts";
import { PACK_PREFIX, packPolicies } from "./packs.ts";
import { readText, type Source, shownName } from "./source.ts";

export interface FoundPolicies {
  readonly policies: readonly PolicySource[];
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/**
 * Reads the policy files that the patterns name, each once, in the order of the patterns and then of their names. Packs come with the
 * product: they are read, and not in `files`.
 */
export async function findPolicies(
  patterns: readonly string[],
  dir: string,
  source: Source,
  findings: Findings,
): Promise<FoundPolicies> {
  const policies = new Map<string, PolicySource>();
  const folders = new Set<string>();
  const seen = new Set<string>();
  for (const [i, pattern] of patterns.entries()) {
    const span = source.at(["policies", i]);
    if (pattern.startsWith(PACK_PREFIX)) {
      const pack = await packPolicies(pattern.slice(PACK_PREFIX.length));
      if (pack.ok) policies.set(pattern, pack.source);
      else findings.error(pack.message, span, pack.help);
      continue;
    }
    const wild = /[*?[{]/.test(pattern);
    if (wild) folders.add(resolve(dir, fixedPart(pattern)));
    for (const file of wild ? await matches(pattern, dir) : [resolve(dir, pattern)]) {
      if (seen.has(file)) continue;
      seen.add(file);
      const text = await readText(
        file,
        `policy file \`${shownName(file)}\``,
        "check the path, which is relative to the configuration",
        span,
      );
      if (text.ok) policies.set(file, { file: shownName(file), text: text.value });
      else findings.errors.push(...text.diagnostics);
    }
    if (wild && (await matches(pattern, dir)).length === 0) {
      findings.error(`\`${pattern}\` matches no file`, span, "check the path, which is relative to the configuration");
    }
  }
  return { policies: [...policies.values()], files: [...seen], folders: [...folders] };
}

async function matches(pattern: string, dir: string): Promise<string[]> {
  const found: string[] = [];
  for await (const path of glob(pattern, { cwd: dir })) {
    const file = resolve(dir, path);
    if ((await stat(file)).isFile()) found.push(file);
  }
  return found.sort();
}

/** The folder before the first wildcard. */
function fixedPart(pattern: string): string {
  const before = pattern.slice(0, pattern.search(/[*?[{]/));
  return before.includes("/") ? dirname(`${before}x`) : ".";
}
