import { readFileSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { canonicalJson, type Digest, isObject, parseJson, stringifyJson } from "@callgate/core";
import { sealText, unsealText } from "@callgate/ledger";
import { type Definition, definitionDigest } from "./config/definition.ts";
import { writeAtomically } from "./setup/files.ts";

/** Where the accepted definitions of a server are kept: `<data>/pins/<server>.json`, a mapping of tools to definitions. */
function pinsFile(data: string, server: string): string {
  return join(data, "pins", `${server}.json`);
}

/**
 * The definition that a person accepted, for showing what a drifted one changed. It decides nothing: the digest in the
 * manifest does, and a stored definition that does not have that digest is not given.
 */
export function pinnedDefinition(data: string, server: string, tool: string, digest: Digest): Definition | undefined {
  return pinnedDefinitions(data, server)(tool, digest);
}

/** The same for all tools of a server, from one reading of its file. */
export function pinnedDefinitions(
  data: string,
  server: string,
): (tool: string, digest: Digest) => Definition | undefined {
  let kept: ReadonlyMap<string, Definition>;
  try {
    kept = parsePins(unsealText(data, `${server}.json`, readFileSync(pinsFile(data, server), "utf8")));
  } catch {
    kept = new Map();
  }
  return (tool, digest) => {
    const definition = kept.get(tool);
    return definition && definitionDigest(definition) === digest ? definition : undefined;
  };
}

/** Keeps definitions that a person has accepted, beside those that are kept already. */
export async function keepDefinitions(data: string, server: string, definitions: readonly Definition[]): Promise<void> {
  if (definitions.length === 0) return;
  const file = pinsFile(data, server);
  const kept = parsePins(unsealText(data, `${server}.json`, await readFile(file, "utf8").catch(() => "{}")));
  const isKept = (one: Definition): boolean => {
    const other = kept.get(one.name);
    return other !== undefined && definitionDigest(other) === definitionDigest(one);
  };
  if (definitions.every(isKept)) return;
  for (const definition of definitions) kept.set(definition.name, definition);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const text = `${stringifyJson({ tools: Object.fromEntries(kept) }, 2)}\n`;
  await writeAtomically(file, sealText(data, `${server}.json`, text), 0o600);
}

/** The fields of a definition that a pin covers, in the order a person reads them. */
const PINNED_FIELDS = ["name", "title", "description", "inputSchema", "outputSchema", "annotations"] as const;

/** The pinned fields that differ, with both values. */
export function changedFields(
  before: Definition,
  now: Definition,
): { readonly field: string; readonly before: unknown; readonly now: unknown }[] {
  const text = (value: unknown): string => (value === undefined ? "" : canonicalJson(value));
  const changed = PINNED_FIELDS.filter((field) => text(before[field]) !== text(now[field]));
  return changed.map((field) => ({ field, before: before[field], now: now[field] }));
}

/** A file that is damaged is an empty one: it is a memory aid. */
function parsePins(text: string): Map<string, Definition> {
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch {
    return new Map();
  }
  const tools = isObject(parsed) && isObject(parsed["tools"]) ? Object.entries(parsed["tools"]) : [];
  return new Map(
    tools.filter((entry): entry is [string, Definition] => isObject(entry[1]) && entry[1]["name"] === entry[0]),
  );
}
