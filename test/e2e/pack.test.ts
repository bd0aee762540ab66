import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const cli = join(root, "packages", "cli");

// What npm tells the scripts that it runs (folders, arguments, options) would mislead an npm in another folder.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD$)/i.test(name)));
env.PATH = [dirname(process.execPath), process.env.PATH].join(delimiter);
const windows = process.platform === "win32";

/** Runs npm or npx and gives its stdout. */
async function npm(cwd: string, program: "npm" | "npx", ...args: string[]): Promise<string> {
  return (await run(program, args, { cwd, env, shell: windows, maxBuffer: 16 << 20 })).stdout;
}

let folder: string;
let tarball: string;
let app: string;

// One install serves all tests: it is what takes the time.
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "callgate-pack-"));
  app = join(folder, "app");
  await mkdir(app);
  await npm(cli, "npm", "pack", "--loglevel=error", "--pack-destination", folder);
  const [name] = (await readdir(folder)).filter((file) => file.endsWith(".tgz"));
  tarball = join(folder, name ?? "no tarball");
  await npm(app, "npm", "init", "-y");
  await npm(app, "npm", "install", "--no-audit", "--no-fund", "--loglevel=error", tarball);
}, 240_000);

afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

describe("the packed package", () => {
  it("holds what runs and its licence, no source and nothing of the workspace's packages", async () => {
    const installed = join(app, "node_modules", "callgate");
    expect((await readdir(installed)).sort()).toEqual([
      "LICENSE",
      "README.md",
      "bin",
      "dist",
      "package.json",
      "policies",
    ]);
    const dist = await readdir(join(installed, "dist"));
    expect(dist).toEqual(expect.arrayContaining(["main.js", "index.js", "writer.js"]));
    expect(dist.filter((file) => !file.endsWith(".js"))).toEqual([]);
    const manifest = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
    expect(Object.keys(manifest.exports)).toEqual(["."]);
    expect(Object.keys(manifest.dependencies).filter((name) => name.startsWith("@callgate/"))).toEqual([]);
  });

  it("runs `npx callgate --help` in an empty folder", async () => {
    const help = await npm(app, "npx", "--no-install", "callgate", "--help");
    expect(help).toMatch(/Usage: callgate/);
    for (const command of ["serve", "wrap", "register", "approvals", "ledger"]) expect(help).toContain(command);
  });

  it("has the policy packs, and their cases pass", async () => {
    const callgate = async (...args: string[]): Promise<string> =>
      (await run(process.execPath, [program(), "policy", ...args], { cwd: app, env })).stdout;
    expect(await callgate("packs")).toContain("pack:lethal-trifecta");
    const policies = join(app, "node_modules", "callgate", "policies");
    const cases = (await readdir(policies)).filter((name) => name.endsWith(".test.yaml"));
    expect(await callgate("test", ...cases.map((name) => join(policies, name)))).toMatch(/^[1-9]\d* passed, 0 failed;/);
  });

  it("says in one sentence what is wrong on a Node that is too old", async () => {
    // An old Node is not at hand on every machine, so that this one says that it is one.
    const old = join(folder, "old.cjs");
    await writeFile(old, 'Object.defineProperty(process.versions, "node", { value: "20.20.2" });\n');
    await expect(
      run(process.execPath, ["--require", old, join(app, "node_modules", "callgate", "bin", "callgate.cjs"), "--help"]),
    ).rejects.toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^callgate needs Node 24 or newer and .*\n$/),
    });
  });
});

describe("a broker of the packed package", () => {
  it("starts, serves an agent that has a token and records its call", async () => {
    const config = await exampleIn(join(folder, "config"));
    const broker = spawn(process.execPath, [program(), "serve", "--config", config], { cwd: app, env });
    try {
      const url = new URL(await urlOf(broker));
      const issued = await run(
        process.execPath,
        [program(), "token", "issue", "--agent", "example", "--config", config],
        { env },
      );
      const client = new Client({ name: "pack-test", version: "1" });
      const requestInit = { headers: { authorization: `Bearer ${issued.stdout.trim()}` } };
      await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
      const { tools } = await client.listTools();
      expect(tools.map((tool) => tool.name)).toContain("files__read_text_file");
      const result = await client.callTool({ name: "files__read_text_file", arguments: { path: "README.txt" } });
      const text = await readFile(join(folder, "config", "workspace", "README.txt"), "utf8");
      expect(result).toMatchObject({ content: [{ type: "text", text }] });
      await client.close();
    } finally {
      await stop(broker);
    }
    const verified = await run(process.execPath, [program(), "ledger", "verify", "--config", config], { env });
    expect(verified.stdout).not.toBe("");
  }, 60_000);
});

function program(): string {
  return join(app, "node_modules", "callgate", "bin", "callgate.cjs");
}

/** A copy of the example configuration that stands outside the repository and listens on a port of its own. */
async function exampleIn(to: string): Promise<string> {
  await cp(join(root, "examples", "start"), to, { recursive: true, filter: (path) => !path.endsWith(".callgate") });
  const file = join(to, "callgate.yaml");
  const text = await readFile(file, "utf8");
  const servers = join(root, "node_modules").replaceAll("\\", "/");
  await writeFile(file, `${text.replaceAll("${config}/../../node_modules", servers)}\nhttp: { port: 0 }\n`);
  return file;
}

/** The address that the broker prints. Rejects, with all that it wrote, if it ends before. */
function urlOf(broker: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let written = "";
    const read = (chunk: Buffer): void => {
      written += chunk.toString();
      const url = /callgate listens on (http:\S+)/.exec(written)?.[1];
      if (url) resolve(url);
    };
    broker.stdout?.on("data", read);
    broker.stderr?.on("data", read);
    broker.once("exit", (code) => reject(new Error(`the broker ended with ${code}:\n${written}`)));
  });
}

/** Asks the broker to end as Ctrl-C does and waits until it has. */
async function stop(broker: ChildProcess): Promise<void> {
  if (broker.exitCode !== null || broker.signalCode !== null) return;
  const ended = once(broker, "exit");
  broker.kill("SIGINT");
  await ended;
}
