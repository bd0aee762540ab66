import { lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { CallgateError, digestOf, messageOf, SERVER_NAME } from "@callgate/core";
import { Secret } from "../config/index.ts";
import {
  type ClientConfig,
  type ClientEntry,
  clientFolder,
  clientName,
  isWrapped,
  parseClientConfig,
  startFolder,
  type Target,
  targetOf,
} from "./client-config.ts";
import { writeAtomically } from "./files.ts";
import { applyEdits, jsonAt } from "./jsonc.ts";
import { survey } from "./survey.ts";
import { type LeftOut, usable } from "./usable.ts";
import { readClientFile, readRecord, type WrapRecord, writeRecord } from "./wrap-record.ts";
import { clientEnv, surveyTarget, writeWrappedFolder } from "./wrapped-folder.ts";
import { askedTools } from "./wrapped-text.ts";

/** How to start Callgate itself, from a client's configuration: absolute paths, since a client has a PATH of its own. */
export interface Launcher {
  readonly command: string;
  readonly args: readonly string[];
}

export interface WrapOptions {
  /** Where the brokers' folders go: `<home>/<client>/<server>/`. */
  readonly home: string;
  readonly launcher: Launcher;
  /** Who the client is to policies and the ledger. Default: the client's name, as its file's place tells it. */
  readonly agent?: string;
  readonly dryRun?: boolean;
  /** Milliseconds that one server may take to start and list its tools. */
  readonly timeout: number;
}

/** What became of one entry. */
export interface WrappedEntry {
  readonly name: string;
  /** `left`: as it was, for `reason`. `already`: behind Callgate before. */
  readonly state: "wrapped" | "already" | "left";
  readonly reason?: string;
  readonly folder?: string;
  readonly tools?: number;
  /** Tools that a person is asked about. */
  readonly asked?: readonly string[];
  readonly leftOut?: readonly LeftOut[];
}

export interface WrapReport {
  readonly file: string;
  readonly agent: string;
  /** Absent if nothing was written. */
  readonly backup?: string;
  readonly entries: readonly WrappedEntry[];
}

/**
 * Rewrites a client's configuration so that each server runs behind a broker of its own over stdio. Only the entries of what
 * was wrapped change; every other character stays. A server that cannot be started now stays as it is. Throws
 * `CLIENT_CONFIG_INVALID`, `CLIENT_CONFIG_CHANGED`, `BAD_ARGUMENT`.
 */
export async function wrapClient(path: string, options: WrapOptions): Promise<WrapReport> {
  const { file, text } = await readClientFile(path);
  const config = parseClientConfig(file, text);
  const agent = options.agent ?? clientName(file);
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/.test(agent)) {
    throw new CallgateError("BAD_ARGUMENT", `\`${agent}\` is not an agent's name`, {
      help: "use up to 64 letters, digits and `.`, `_`, `@`, `-`",
    });
  }
  const base = join(options.home, clientFolder(file));
  const results = await Promise.all(config.entries.map((entry) => wrapEntry(entry, config, base, agent, options)));
  const wrapped = results.filter((r) => r.wrapped !== undefined);
  const report = { file, agent, entries: results.map((r) => r.outcome) };
  if (options.dryRun === true || wrapped.length === 0) return report;

  // Servers take their time, and clients write their files whenever they like: the edits are made to what is there now.
  const now = parseClientConfig(file, (await readClientFile(path)).text);
  const record: WrapRecord = await readRecord(base, file);
  const edits = wrapped.map(({ entry, wrapped: value, outcome }) => {
    const node = now.entries.find((e) => e.name === entry.name)?.node;
    const original = text.slice(entry.node.start, entry.node.end);
    if (node === undefined || now.text.slice(node.start, node.end) !== original) {
      throw new CallgateError("CLIENT_CONFIG_CHANGED", `\`${file}\` changed while its servers were looked at`, {
        help: "run the command again",
      });
    }
    record.servers[entry.name] = { original, folder: outcome.folder as string };
    return { start: node.start, end: node.end, text: jsonAt(now.text, node.start, value) };
  });
  const backup = await writeBackup(file, now.text);
  record.backups.push(backup);
  // The record first: an entry that it names and that is not wrapped is left alone by an undo.
  await writeRecord(base, record);
  await writeAtomically(file, applyEdits(now.text, edits), 0o600);
  return { ...report, backup };
}

interface EntryResult {
  readonly entry: ClientEntry;
  readonly outcome: WrappedEntry;
  readonly wrapped?: Readonly<Record<string, unknown>>;
}

async function wrapEntry(
  entry: ClientEntry,
  config: ClientConfig,
  base: string,
  agent: string,
  options: WrapOptions,
): Promise<EntryResult> {
  const left = (reason: string): EntryResult => ({ entry, outcome: { name: entry.name, state: "left", reason } });
  if (isWrapped(entry)) return { entry, outcome: { name: entry.name, state: "already" } };
  const target = targetOf(entry, startFolder(config.file));
  if (target.kind === "unclear") return left(target.reason);
  const name = serverName(entry.name);
  const folder = join(base, name);
  const existed = await lstat(folder).then(
    () => true,
    () => false,
  );
  try {
    const secrets = secretsOf(target);
    const seen = await survey(surveyTarget(name, target, folder), { timeout: options.timeout, secrets, require: [] });
    const { offer, leftOut } = usable("bare", name, seen);
    if (offer.tools.length === 0 && !offer.resources && !offer.prompts)
      return left("it offers no tools, resources or prompts");
    if (options.dryRun !== true) await writeWrappedFolder(folder, { name, agent, target, offer });
    return {
      entry,
      outcome: {
        name: entry.name,
        state: "wrapped",
        folder,
        tools: offer.tools.length,
        asked: askedTools(offer),
        leftOut,
      },
      wrapped: wrappedValue(entry, config, target, folder, options.launcher),
    };
  } catch (error) {
    if (!existed) await rm(folder, { recursive: true, force: true });
    return left(messageOf(error));
  }
}

const REPLACED = new Set([
  "type",
  "transport",
  "command",
  "args",
  "env",
  "cwd",
  "url",
  "serverUrl",
  "httpUrl",
  "headers",
]);

/** The entry that starts the broker. What else the client keeps there (approvals, timeouts) stays. */
function wrappedValue(
  entry: ClientEntry,
  config: ClientConfig,
  target: Target,
  folder: string,
  launcher: Launcher,
): Record<string, unknown> {
  const typed = entry.value["type"] !== undefined || config.section !== "mcpServers";
  const env = clientEnv(target);
  return {
    ...(typed && config.section !== "context_servers" && { type: "stdio" }),
    command: launcher.command,
    args: [...launcher.args, "serve", "--stdio", "--config", join(folder, "callgate.yaml")],
    ...(Object.keys(env).length > 0 && { env }),
    ...Object.fromEntries(Object.entries(entry.value).filter(([key]) => !REPLACED.has(key))),
  };
}

/** A name that configurations and file systems take; one that had to change carries a digest, so that no two meet. */
function serverName(name: string): string {
  if (SERVER_NAME.test(name) && name === name.toLowerCase()) return name;
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replace(/^-/, "")
    .slice(0, 20)
    .replace(/-$/, "");
  return `${plain || "server"}-${digestOf(name).slice(7, 13)}`;
}

function secretsOf(target: Target): Secret[] {
  return Object.values(target.kind === "stdio" ? target.env : target.headers).map((text) => new Secret(text, "client"));
}

async function writeBackup(file: string, text: string): Promise<string> {
  const backup = `${file}.callgate-backup-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  await mkdir(join(file, ".."), { recursive: true });
  // The client's file may hold secrets: its copy is for its owner alone.
  await writeAtomically(backup, text, 0o600);
  return backup;
}
