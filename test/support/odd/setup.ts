import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Folder } from "../folder.ts";
import { type Access, manifestOf, PERMIT_ALL } from "../manifest.ts";
import { TOOLS, tracesIn } from "./tools.ts";

/** The odd server's program. */
export const ODD = fileURLToPath(new URL("./server.ts", import.meta.url));

/** A configuration with the odd server as `odd`, and nothing that gets in a test's way but what the test asks for. */
export interface OddSetup {
  /** The manifest beside its tools. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  readonly tools?: Readonly<Record<string, Access>>;
  readonly policies?: unknown;
  /** Members of the configuration that take the place of the defaults here. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Members of the server's entry. */
  readonly server?: Readonly<Record<string, unknown>>;
  /** Environment of the server. */
  readonly env?: Readonly<Record<string, string>>;
}

const PLENTY = 1_000_000;

/** Writes the files of a configuration and gives its path. `name` sets it, its manifest, its policies and its data apart. */
export function writeOdd(folder: Folder, setup: OddSetup = {}, name = "callgate"): string {
  folder.write(`${name}/manifest.yaml`, oddManifest(setup));
  folder.write(`${name}/policies.yaml`, setup.policies ?? PERMIT_ALL);
  return folder.write(`${name}/callgate.yaml`, {
    version: 1,
    data: "data",
    http: { port: 0 },
    servers: {
      odd: {
        command: process.execPath,
        args: [ODD],
        env: { COUNTER: tracePath(folder, name), STARTS: startsPath(folder, name), ...setup.env },
        manifest: "manifest.yaml",
        ...setup.server,
      },
    },
    agents: { ann: { scopes: ["odd:use"] }, bob: { scopes: ["odd:use"] } },
    stdio: { agent: "ann" },
    policies: ["policies.yaml"],
    budgets: { session: { calls: PLENTY, callsPerMinute: PLENTY, cost: PLENTY, concurrent: PLENTY } },
    loop: { repeats: 1000, cycles: 1000 },
    log: { level: "warn" },
    ...setup.config,
  });
}

/** The manifest that pins the odd server's tools as they are. */
export function oddManifest(setup: Pick<OddSetup, "manifest" | "tools"> = {}): Record<string, unknown> {
  const definitions = TOOLS.map(({ run: _, ...definition }) => definition);
  return manifestOf("odd", definitions, { ...setup.manifest, ...(setup.tools && { tools: setup.tools }) });
}

function tracePath(folder: Folder, name: string): string {
  return join(folder.path, name, "ran.txt");
}

function startsPath(folder: Folder, name: string): string {
  return join(folder.path, name, "starts.txt");
}

/** The tools that really ran, in order. */
export function ran(folder: Folder, name = "callgate"): { name: string; pid: number }[] {
  return tracesIn(tracePath(folder, name));
}

/** The processes that were started. */
export function starts(folder: Folder, name = "callgate"): number[] {
  return tracesIn(startsPath(folder, name)).map((s) => s.pid);
}
