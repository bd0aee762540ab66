import { execFile } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Child, startChild } from "./child.ts";
import { AGENT, type Sync, type Upstream, writeConfig } from "./setup.ts";

const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** A broker that runs with the bench's configuration, in a process of its own. */
export interface Broker {
  readonly child: Child;
  readonly url: string;
  readonly token: string;
  /** Size of the ledger's files in bytes, the write-ahead log included. */
  ledgerBytes(): number;
}

/** Starts a broker as a user would, through its command line, with a fresh data folder. */
export async function startBroker(folder: string, upstream: Upstream, sync: Sync): Promise<Broker> {
  const config = writeConfig(folder, upstream, sync);
  const issued = await promisify(execFile)(
    process.execPath,
    [CLI, "token", "issue", "--config", config, "--agent", AGENT, "--ttl", "1h"],
    { cwd: folder },
  );
  // A token is three dotted base64url parts; whatever else the command prints is for people.
  const token = /[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/.exec(issued.stdout)?.[0];
  if (token === undefined)
    throw new Error(`\`callgate token issue\` printed no token:\n${issued.stdout}${issued.stderr}`);
  const child = await startChild([CLI, "serve", "--config", config], /https?:\/\/\S+\/mcp\b/, folder);
  const url = /https?:\/\/\S+\/mcp\b/.exec(child.ready)?.[0] as string;
  return { child, url, token, ledgerBytes: () => bytesOf(join(folder, "data")) };
}

function bytesOf(folder: string): number {
  return readdirSync(folder)
    .filter((name) => name.startsWith("ledger.db"))
    .reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** The command line of the broker's stdio face, for an agent's client to start. */
export function stdioBroker(folder: string, upstream: Upstream, sync: Sync): readonly string[] {
  return [CLI, "serve", "--stdio", "--config", writeConfig(folder, upstream, sync)];
}
