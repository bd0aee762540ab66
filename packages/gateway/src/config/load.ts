import { dirname, resolve, sep } from "node:path";
import { type Diagnostic, digestOf, digestOfJson, isObject } from "@callgate/core";
import { checkFaces, checkTypos, namesIn, resolveAgents } from "./agents.ts";
import { format, parseDocumentOf } from "./document.ts";
import { Findings, inOrder } from "./findings.ts";
import { resolveLedger } from "./ledger.ts";
import { definedOnly, emptyManifest, type LoadedManifest, loadManifest } from "./manifest.ts";
import { checkNames } from "./names.ts";
import type { Place } from "./placeholder.ts";
import { findPolicies } from "./policies.ts";
import { toRunBudgets } from "./run-budgets.ts";
import { type ConfigInput, configSchema } from "./schema.ts";
import { Secret } from "./secret.ts";
import { resolveServer } from "./servers.ts";
import { type Path, readText, type Source, shownName } from "./source.ts";
import { loadTrusted } from "./trusted.ts";
import type { BudgetConfig, BudgetRule, Config, ServerConfig } from "./types.ts";

export interface LoadOptions {
  /** Where `${env:NAME}` is looked up. Default: `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** A data folder that stands in for the file's `data`; relative to the working folder. */
  readonly data?: string;
  /**
   * `skip` leaves manifests unread, so that every server has none of its tools: for commands that write manifests and so
   * MUST work before there are any. Default: `read`.
   */
  readonly manifests?: "read" | "skip";
}

/** A configuration, or every reason why there is none. Warnings come with either. */
export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[]; readonly warnings: readonly Diagnostic[] };

const CONFIG = format(configSchema, { version: 1, servers: {} });
const NO_CONFIG = "start from `examples/start/callgate.yaml`, or name another file with `--config`";

/**
 * Reads a configuration, its manifests and its policy files. Never throws for what a file holds: every problem is a
 * diagnostic with file, line, column and help. Policies are read but not parsed: that is the policy package's.
 */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<LoadResult> {
  const findings = new Findings();
  const file = resolve(path);
  const config = await load(file, options, findings);
  const warnings = inOrder(findings.warnings);
  if (config && findings.errors.length === 0) return { ok: true, config: deepFreeze(config), warnings };
  return { ok: false, diagnostics: inOrder(findings.errors), warnings };
}

/** The files, and the folders of policy patterns, whose change can change the configuration. */
export function configWatchPaths(config: Config): readonly string[] {
  return [...config.sources.files, ...config.sources.folders];
}

async function load(file: string, options: LoadOptions, findings: Findings): Promise<Config | undefined> {
  const text = await readText(file, `configuration \`${shownName(file)}\``, NO_CONFIG);
  if (!text.ok) {
    findings.errors.push(...text.diagnostics);
    return undefined;
  }
  const parsed = parseDocumentOf(file, text.value, CONFIG, findings);
  if (!parsed) return undefined;
  const { value: input, source } = parsed;
  const dir = dirname(file);
  const data = options.data === undefined ? resolve(dir, input.data) : resolve(options.data);
  const place: Place = { dir, data, env: options.env ?? process.env, findings, secrets: [], files: [] };

  checkPlaceholders(source, findings);
  const agents = resolveAgents(input, source, findings);
  checkFaces(input, agents, source, findings);
  const manifests = await loadManifests(input, source, dir, options, findings);
  const servers: Record<string, ServerConfig> = Object.create(null);
  for (const [name, { manifest }] of manifests) {
    const entry = input.servers[name];
    const server = entry && (await resolveServer(name, entry, manifest, source, place, options.manifests));
    if (server) servers[name] = server;
  }
  if (
    options.manifests !== "skip" &&
    namesIn(source, "servers").length === 0 &&
    isObject(source.value) &&
    isObject(source.value["servers"])
  ) {
    findings.error(
      "there is no server",
      source.keyAt(["servers"]),
      "add one, as in `files: { command: node, args: [server.js] }`",
    );
  }
  const tools = checkNames(input, manifests, source, findings);
  const all = [...manifests.values()].map((m) => m.manifest);
  if (options.manifests !== "skip" && findings.errors.length === 0) checkTypos(input, all, tools, source, findings);
  const found = await findPolicies(input.policies, dir, source, findings);
  if (found.policies.length === 0 && findings.errors.length === 0) {
    findings.warn(
      "there is no policy, so that every call is denied",
      source.keyAt(["policies"]),
      "add `policies: [policies/*.yaml]`",
    );
  }
  const trusted = await loadTrusted(input.flow, dir, source, findings);
  const ledger = await resolveLedger(input, source, place);

  const { anonymous, ...http } = input.http;
  const body = {
    naming: input.naming,
    data,
    http: { ...http, ...(anonymous !== undefined && { anonymous }) },
    ...(input.stdio && { stdio: input.stdio }),
    limits: input.limits,
    servers,
    agents,
    policies: found.policies,
    settings: input.settings,
    budgets: budgetsOf(input),
    sandbox: input.sandbox,
    ...(input.code && { code: { ...input.code, budgets: toRunBudgets(input.code.budgets) } }),
    loop: input.loop,
    approvals: input.approvals,
    flow: { watch: input.flow.watch, memory: input.flow.memory, trusted: trusted.values },
    ledger,
    log: input.log,
  };
  const manifestFiles = options.manifests === "skip" ? [] : all.map((m) => m.file);
  const modules = Object.values(servers).flatMap((server) => (server.transport === "module" ? [server.file] : []));
  return {
    file,
    dir,
    digest: digestOfBody(body, dir),
    ...body,
    secrets: place.secrets,
    sources: {
      files: [...new Set([file, ...manifestFiles, ...modules, ...found.files, ...trusted.files, ...place.files])],
      folders: found.folders,
    },
  };
}

async function loadManifests(
  input: ConfigInput,
  source: Source,
  dir: string,
  options: LoadOptions,
  findings: Findings,
): Promise<Map<string, LoadedManifest>> {
  const names = namesIn(source, "servers");
  const manifests = new Map<string, LoadedManifest>();
  for (const [name, server] of Object.entries(input.servers)) {
    const file = resolve(dir, server.manifest ?? `manifests/${name}.yaml`);
    const span =
      server.manifest === undefined ? source.keyAt(["servers", name]) : source.at(["servers", name, "manifest"]);
    const loaded =
      options.manifests === "skip"
        ? { manifest: emptyManifest(name, file) }
        : await loadManifest(name, file, span, names, findings);
    manifests.set(name, loaded);
  }
  return manifests;
}

function budgetsOf(input: ConfigInput): BudgetConfig {
  const rules = (table: ConfigInput["budgets"]["agents"]): BudgetRule[] =>
    Object.entries(table).map(([match, limits]) => ({ match, limits: definedOnly(limits) }));
  return { session: input.budgets.session, agents: rules(input.budgets.agents), tools: rules(input.budgets.tools) };
}

const EXPANDED = new Set(["command", "args", "env", "cwd", "url", "headers", "fetchHeaders"]);

/** Placeholders outside a server's own settings and the ledger's key are errors: nothing reads them there. */
function checkPlaceholders(source: Source, findings: Findings): void {
  const walk = (value: unknown, path: Path): void => {
    if (path.length === 3 && path[0] === "servers" && EXPANDED.has(String(path[2]))) return;
    if (path.join(".") === "ledger.encryption.key") return;
    if (typeof value === "string" && value.includes("${")) {
      findings.error("placeholders are not read here", source.at(path), "write the text itself");
    } else if (Array.isArray(value)) value.forEach((v, i) => walk(v, [...path, i]));
    else if (isObject(value)) for (const [k, v] of Object.entries(value)) walk(v, [...path, k]);
  };
  walk(source.value, []);
}

/** Secrets are left out by their own `toJSON`; paths in the configuration's folder are made relative to it. */
function digestOfBody(body: Pick<Config, "policies">, dir: string): Config["digest"] {
  const plain = { ...body, policies: body.policies.map((p) => digestOf(p.text)) };
  const text = JSON.stringify(plain, (_, value: unknown) => {
    if (value === dir) return ".";
    return typeof value === "string" && value.startsWith(dir + sep)
      ? value.slice(dir.length + 1).replaceAll(sep, "/")
      : value;
  });
  return digestOfJson(JSON.parse(text));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !(value instanceof Secret)) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
