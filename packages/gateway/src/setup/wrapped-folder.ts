import { mkdir, rm } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { CallgateError, formatDiagnostic } from "@callgate/core";
import { loadPolicies } from "@callgate/policy";
import { Document } from "yaml";
import { draftManifest, loadConfig, type ServerConfig, writeManifest } from "../config/index.ts";
import { emptyManifest } from "../config/manifest.ts";
import { keepDefinitions } from "../pins.ts";
import { toolFactsOf } from "../tool-facts.ts";
import type { Target } from "./client-config.ts";
import { textIfThere, writeAtomically } from "./files.ts";
import { scopesOf } from "./register.ts";
import type { Survey } from "./survey.ts";
import { manifestHeader, policyText } from "./wrapped-text.ts";

/** A server that is to run behind a broker of its own. */
export interface WrappedServer {
  /** A name that configurations take. */
  readonly name: string;
  readonly agent: string;
  readonly target: Target;
  /** What it offers, without what agents could not be offered. */
  readonly offer: Survey;
}

/** Variables that the client itself must fill in and hand over: see `clientEnv`. */
type ClientEnv = Readonly<Record<string, string>>;

const TIMEOUT_MS = 600_000;
/** What nobody minds reading in a configuration. Everything else is taken for a secret. */
const PLAIN = /^(?:true|false|yes|no|on|off|\d{1,5}|debug|info|warn|warning|error|production|development|utf-?8)$/i;

/**
 * What of a target's settings holds a `${...}` of the client's own. The client goes on filling it in: it stays in the client's
 * file, as a variable of the wrapped entry, and the broker reads it from its environment.
 */
export function clientEnv(target: Target): ClientEnv {
  return Object.fromEntries(
    Object.entries(settingsOf(target)).flatMap(([name, value]) =>
      value.includes("${") ? [[variableOf(target, name), value]] : [],
    ),
  );
}

/** The target as the broker would reach it, for one look at it now. */
export function surveyTarget(name: string, target: Target, folder: string): ServerConfig {
  const manifest = emptyManifest(name, manifestFile(folder, name));
  const base = { name, era: "auto", connection: "shared", timeout: TIMEOUT_MS, manifest } as const;
  const settings = Object.fromEntries(
    Object.entries(settingsOf(target)).flatMap(([key, value]) => {
      const filled = fillIn(value);
      return filled === undefined ? [] : [[key, filled]];
    }),
  );
  return target.kind === "stdio"
    ? { ...base, transport: "stdio", command: target.command, args: target.args, cwd: target.cwd, env: settings }
    : { ...base, transport: "http", url: target.url, headers: settings };
}

/**
 * Writes everything that a broker for one server needs into `folder`, readable by its owner alone. A manifest and policies
 * that are there stay: somebody may have worked on them. Throws `WRAP_FAILED` if what was written would not start.
 */
export async function writeWrappedFolder(folder: string, server: WrappedServer): Promise<void> {
  const { name, offer } = server;
  await forgetSecrets(folder);
  for (const sub of ["", "manifests", "policies", "secrets"])
    await mkdir(join(folder, sub), { recursive: true, mode: 0o700 });
  const draft = { ...draftManifest(name, offer), ...(offer.logging && { logging: true }) };
  await writeIfMissing(manifestFile(folder, name), writeManifest(draft, manifestHeader(name)));
  await writeIfMissing(join(folder, "policies", "start.yaml"), policyText(name, server.agent, offer));
  await writeAtomically(join(folder, "callgate.yaml"), await configText(folder, server, scopesOf(draft)), 0o600);
  await keepDefinitions(join(folder, ".callgate"), name, offer.tools);

  const handed = Object.fromEntries(Object.keys(clientEnv(server.target)).map((key) => [key, "set by the client"]));
  const loaded = await loadConfig(join(folder, "callgate.yaml"), { env: { ...process.env, ...handed } });
  const policies = loaded.ok
    ? loadPolicies(loaded.config.policies, toolFactsOf(loaded.config), loaded.config.settings)
    : undefined;
  const wrong = loaded.ok ? (policies?.ok === false ? policies.diagnostics : []) : loaded.diagnostics;
  if (wrong.length > 0) {
    throw new CallgateError(
      "WRAP_FAILED",
      `its configuration would not load: ${wrong.map(formatDiagnostic).join("; ")}`,
      { diagnostics: wrong },
    );
  }
}

/** Takes the secrets out of a folder whose server runs without a broker again. The ledger, manifest and policies stay. */
export async function forgetSecrets(folder: string): Promise<void> {
  await rm(join(folder, "secrets"), { recursive: true, force: true });
}

function manifestFile(folder: string, name: string): string {
  return join(folder, "manifests", `${name}.yaml`);
}

async function configText(
  folder: string,
  { name, agent, target }: WrappedServer,
  scopes: readonly string[],
): Promise<string> {
  const settings: Record<string, string> = {};
  for (const [i, [key, value]] of Object.entries(settingsOf(target)).entries()) {
    if (value.includes("${")) settings[key] = `\${env:${variableOf(target, key)}}`;
    else if (value === "" || PLAIN.test(value) || isAbsolute(value)) settings[key] = value;
    else {
      const file = `secrets/${i}-${key.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 60)}`;
      // The loader takes one line break off the end.
      await writeAtomically(resolve(folder, file), `${value}\n`, 0o600);
      settings[key] = `\${file:${file}}`;
    }
  }
  const some = Object.keys(settings).length > 0;
  const doc = new Document({
    version: 1,
    naming: "bare",
    servers: {
      [name]:
        target.kind === "stdio"
          ? {
              command: target.command,
              args: target.args,
              cwd: target.cwd,
              ...(some && { env: settings }),
              timeout: "10m",
            }
          : { url: target.url, ...(some && { headers: settings }), timeout: "10m" },
    },
    agents: { [agent]: { scopes } },
    stdio: { agent },
    policies: ["policies/*.yaml"],
    budgets: { session: { calls: 1_000_000, callsPerMinute: 600, cost: 1_000_000_000, concurrent: 32, wall: "10m" } },
  });
  doc.commentBefore = [
    ` A broker for the one server \`${name}\`, written by \`callgate wrap\`. Changes take effect while it runs.`,
    " What looked like a secret is in secrets/; this folder is for its owner alone. A desktop client keeps its connection",
    " for days: the budgets are those of a machine that runs wild, not of a day's work.",
  ].join("\n");
  return doc.toString({ lineWidth: 0, flowCollectionPadding: false });
}

async function writeIfMissing(file: string, text: string): Promise<void> {
  if ((await textIfThere(file)) === undefined) await writeAtomically(file, text, 0o600);
}

function settingsOf(target: Target): Readonly<Record<string, string>> {
  return target.kind === "stdio" ? target.env : target.headers;
}

/** A program's variable keeps its name; a header gets one. */
function variableOf(target: Target, name: string): string {
  return target.kind === "stdio" ? name : `CALLGATE_HEADER_${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`;
}

/** A setting with the variables that are set here; undefined where the client alone knows what it would be. */
function fillIn(value: string): string | undefined {
  let known = true;
  const filled = value.replaceAll(/\$\{(?:env:)?([^}]*)\}/g, (_, name: string) => {
    const text = process.env[name];
    if (text === undefined) known = false;
    return text ?? "";
  });
  return known ? filled : undefined;
}
