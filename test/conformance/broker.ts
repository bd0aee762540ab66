import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { pinOf } from "../support/manifest.ts";
import { type Target, withClient } from "./target.ts";

const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

/** How long the broker may take to print its URL, in milliseconds. */
const START = 20_000;

/** How long it may take to stop before it is killed, in milliseconds. */
const STOP = 10_000;

/**
 * Starts Callgate in front of the fixture at `upstream`: bare names, callers without a token, every tool pinned as the
 * fixture lists it now, and one policy that permits all. Its budgets and its loop breaker are set out of the suites' way.
 */
export async function startBroker(upstream: string, verbose: boolean): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), "callgate-conformance-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const config = await writeConfig(folder, upstream);
    const child = spawn(process.execPath, [CLI, "serve", "--config", config], {
      stdio: ["ignore", "pipe", verbose ? "inherit" : "ignore"],
    });
    const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const stop = async () => {
      child.kill("SIGTERM");
      const stuck = setTimeout(() => child.kill("SIGKILL"), STOP);
      await ended;
      clearTimeout(stuck);
      await remove();
    };
    try {
      return { name: "callgate", url: await printedUrl(child.stdout, ended), close: stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Writes the configuration, the manifest and the policy, and gives the configuration's path. */
async function writeConfig(folder: string, upstream: string): Promise<string> {
  const files = {
    "callgate.yaml": brokerConfig(upstream),
    "manifests/fixture.yaml": await manifestOf(upstream),
    "policies/all.yaml": PERMIT_ALL,
  };
  await Promise.all(["manifests", "policies"].map((name) => mkdir(join(folder, name))));
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), stringify(content, { aliasDuplicateObjects: false }));
  }
  return join(folder, "callgate.yaml");
}

/** The first URL on the broker's stdout. */
async function printedUrl(stdout: NodeJS.ReadableStream, ended: Promise<void>): Promise<string> {
  const found = new Promise<string>((resolve) => {
    createInterface({ input: stdout }).on("line", (line) => {
      const url = /https?:\/\/\S+/.exec(line)?.[0];
      if (url) resolve(url);
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the broker printed no URL within ${START / 1000} s`)), START);
  });
  const gone = ended.then<string>(() => {
    throw new Error("the broker stopped before it printed its URL; run again with `--verbose` to see why");
  });
  try {
    return await Promise.race([found, late, gone]);
  } finally {
    clearTimeout(timer);
  }
}

const PERMIT_ALL = {
  policies: [{ id: "all", effect: "permit", tools: ["*"], reason: "the conformance suites may call everything" }],
};

function brokerConfig(upstream: string) {
  const plenty = 1_000_000;
  return {
    version: 1,
    naming: "bare",
    http: { host: "127.0.0.1", port: 0, path: "/mcp", anonymous: "suite" },
    servers: { fixture: { url: upstream } },
    agents: { suite: {} },
    policies: ["policies/all.yaml"],
    budgets: { session: { calls: plenty, callsPerMinute: plenty, cost: plenty, concurrent: 1000 } },
    loop: { repeats: 1000, cycles: 1000 },
  };
}

/** A manifest of everything the fixture lists, in its own words. */
async function manifestOf(upstream: string) {
  const { tools } = await withClient(upstream, "2026-07-28", (client) => client.listTools());
  const access = { scopes: [], effects: ["read"] };
  return {
    version: 1,
    server: "fixture",
    tools: Object.fromEntries(tools.map((tool) => [tool.name, { ...access, digest: pinOf(tool) }])),
    resources: access,
    prompts: access,
    callbacks: ["elicitation", "sampling", "roots"],
    logging: true,
  };
}
