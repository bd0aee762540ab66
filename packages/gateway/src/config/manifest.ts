import { type Digest, isObject, type Span } from "@callgate/core";
import { format, type Parsed, parseDocumentOf } from "./document.ts";
import type { Findings } from "./findings.ts";
import { type ManifestInput, manifestSchema } from "./manifest-schema.ts";
import { toRunBudgets } from "./run-budgets.ts";
import { readText, shownName } from "./source.ts";
import { didYouMean } from "./suggest.ts";
import type { AccessManifest, Manifest, ModuleManifest, ToolManifest } from "./types.ts";

const MANIFEST = format(manifestSchema, { version: 1, server: "unknown" }, (path, source) => {
  if (path[0] !== "tools" || path[2] !== "digest" || path.length !== 3) return undefined;
  const server = isObject(source.value) ? source.value["server"] : undefined;
  return `run \`callgate pin --accept ${typeof server === "string" ? server : "<server>"}\``;
});

/** A manifest with the document it came from; the document is absent where the manifest could not be read. */
export interface LoadedManifest {
  readonly manifest: Manifest;
  readonly parsed?: Parsed<ManifestInput>;
}

/** A server of which nothing is reachable. */
export function emptyManifest(server: string, file: string): Manifest {
  return { file, server, tools: Object.create(null), callbacks: [], logging: false };
}

/** Reads the manifest of `server`. `span` is where the configuration names it; `servers` are the names there are. */
export async function loadManifest(
  server: string,
  file: string,
  span: Span,
  servers: readonly string[],
  findings: Findings,
): Promise<LoadedManifest> {
  const text = await readText(
    file,
    `manifest \`${shownName(file)}\` of \`${server}\``,
    `run \`callgate register ${server}\` to write one`,
    span,
  );
  if (!text.ok) {
    findings.errors.push(...text.diagnostics);
    return { manifest: emptyManifest(server, file) };
  }
  const parsed = parseDocumentOf(file, text.value, MANIFEST, findings);
  if (!parsed) return { manifest: emptyManifest(server, file) };
  const { value, source } = parsed;
  if (value.server !== server && source.has(["server"])) {
    const known = servers.includes(value.server);
    findings.error(
      known ? `this manifest is for \`${value.server}\`, not \`${server}\`` : `unknown server \`${value.server}\``,
      source.at(["server"]),
      known
        ? `write \`server: ${server}\`, or point \`${server}\` to its own manifest`
        : didYouMean(value.server, servers),
    );
  }
  return { parsed, manifest: toManifest(server, file, value) };
}

/** The manifest that an input means. */
export function toManifest(server: string, file: string, input: ManifestInput): Manifest {
  const tools: Record<string, ToolManifest> = Object.create(null);
  for (const [name, tool] of Object.entries(input.tools)) {
    const { limits, description, result } = tool;
    tools[name] = {
      name,
      ...access(tool),
      limits: { ...definedOnly(limits), cost: limits.cost },
      digest: tool.digest as Digest,
      ...(description !== undefined && { description }),
      result,
      ...(tool.arguments && { arguments: tool.arguments }),
    };
  }
  return {
    file,
    server,
    tools,
    ...(input.resources && { resources: access(input.resources) }),
    ...(input.prompts && { prompts: access(input.prompts) }),
    callbacks: unique(input.callbacks),
    logging: input.logging,
    ...(input.module && { module: toModule(input.module) }),
  };
}

function toModule({ digest, hosts, calls, fetch, budgets }: NonNullable<ManifestInput["module"]>): ModuleManifest {
  return {
    digest: digest as Digest,
    hosts: unique(hosts),
    calls: unique(calls),
    fetch: access(fetch),
    budgets: toRunBudgets(budgets),
  };
}

function access(input: AccessManifest): AccessManifest {
  return { scopes: unique(input.scopes), effects: unique(input.effects), labels: unique(input.labels) };
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The same object without its undefined keys. */
export function definedOnly<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined)) as Defined<T>;
}
