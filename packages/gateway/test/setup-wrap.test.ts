import { existsSync } from "node:fs";
import { readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { revealAll } from "../src/config/index.ts";
import { unwrapClient } from "../src/setup/unwrap.ts";
import { type WrapReport, wrapClient } from "../src/setup/wrap.ts";
import { folder, loaded } from "./config-folder.ts";
import { DROP, offer, offering, READ, rejectionOf, textOf } from "./setup-folder.ts";

const LAUNCHER = { command: "/opt/node", args: ["/opt/callgate.cjs"] };

let dir: string;
let file: string;
let home: string;

/** A client's file as people have them: a comment, a trailing comma, keys of the client's own. */
const clientText = (entries: Readonly<Record<string, unknown>>): string =>
  `{\n\t// mine\n\t"theme": "dark",\n\t"mcpServers": {\n${Object.entries(entries)
    .map(([name, value]) => `\t\t${JSON.stringify(name)}: ${JSON.stringify(value)},\n`)
    .join("")}\t},\n}\n`;

beforeEach(async () => {
  dir = await folder({});
  file = join(dir, "mcp.json");
  home = join(dir, "home");
  await offer(dir, [READ, DROP], { tools: {}, resources: {}, logging: {} });
});

const wrap = (more: { agent?: string; dryRun?: boolean } = {}): Promise<WrapReport> =>
  wrapClient(file, { home, launcher: LAUNCHER, timeout: 15_000, ...more });

const entriesNow = async (): Promise<Record<string, { command: string; args: string[] }>> =>
  JSON.parse((await textOf(file)).replace("\t// mine\n", "").replaceAll(/,(\s*[}\]])/g, "$1")).mcpServers;

/** Names, sizes and contents of a folder do not matter, only who may read. */
async function modesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const stats = await Promise.all(
    entries.map(async (e) => [e.isFile(), (await stat(join(e.parentPath, e.name))).mode & 0o777] as const),
  );
  return [...new Set(stats.map(([isFile, mode]) => `${isFile ? "file" : "folder"} ${mode.toString(8)}`))].sort();
}

test("an entry is replaced by a broker that runs the same server for the same tools", async () => {
  await writeFile(
    file,
    clientText({ "My Thing": { ...offering(dir), env: { TOKEN: "a-very-secret-token" }, autoApprove: ["read"] } }),
  );
  const report = await wrap({ agent: "desk" });
  const [entry] = report.entries;
  expect(entry).toMatchObject({ name: "My Thing", state: "wrapped", tools: 2, asked: ["drop"], leftOut: [] });
  const config = join(entry!.folder!, "callgate.yaml");
  expect(await entriesNow()).toEqual({
    "My Thing": {
      command: "/opt/node",
      args: ["/opt/callgate.cjs", "serve", "--stdio", "--config", config],
      autoApprove: ["read"],
    },
  });
  expect(await textOf(file)).toMatch(/^\{\n\t\/\/ mine\n\t"theme": "dark",\n/);

  const { naming, servers, agents, stdio } = await loaded(entry!.folder!);
  const [server] = Object.values(servers);
  expect({ naming, stdio }).toEqual({ naming: "bare", stdio: { agent: "desk" } });
  expect(server).toMatchObject({ transport: "stdio", ...offering(dir) });
  expect(server?.transport === "stdio" && revealAll(server.env)).toEqual({ TOKEN: "a-very-secret-token" });
  expect(server?.manifest).toMatchObject({ resources: {}, logging: true, callbacks: [] });
  const asked = [...Object.values(server!.manifest.tools), server!.manifest.resources!].flatMap((t) => t.scopes);
  expect(agents["desk"]?.scopes).toEqual([...new Set(asked)].sort());
  expect(await textOf(entry!.folder!, "callgate.yaml")).not.toContain("secret-token");
  if (process.platform !== "win32") expect(await modesIn(home)).toEqual(["file 600", "folder 700"]);
});

test("undo puts back every character, and nothing is left of the secrets", async () => {
  const text = clientText({ a: { ...offering(dir), env: { TOKEN: "a-very-secret-token" } }, b: offering(dir) });
  await writeFile(file, text);
  const { backup, entries } = await wrap();
  expect(await textOf(file)).not.toBe(text);
  expect(await textOf(backup!)).toBe(text);
  const report = await unwrapClient(file, { home });
  expect(report.entries.map((e) => [e.name, e.state])).toEqual([
    ["a", "restored"],
    ["b", "restored"],
  ]);
  expect(await textOf(file)).toBe(text);
  expect(existsSync(join(entries[0]!.folder!, "secrets"))).toBe(false);
  expect(existsSync(join(entries[0]!.folder!, "policies", "start.yaml"))).toBe(true);
  expect(await rejectionOf(unwrapClient(file, { home }))).toMatchObject({ code: "NOTHING_TO_UNDO" });
});

test("wrapping again wraps what is new, and one undo takes back all of it", async () => {
  const first = clientText({ a: offering(dir) });
  await writeFile(file, first);
  await wrap();
  const wrapped = await textOf(file);
  const line = `\t\t"b": ${JSON.stringify(offering(dir))},\n`;
  await writeFile(file, wrapped.replace('"mcpServers": {\n', `"mcpServers": {\n${line}`));
  expect((await wrap()).entries.map((e) => [e.name, e.state])).toEqual([
    ["b", "wrapped"],
    ["a", "already"],
  ]);
  const before = await textOf(file);
  expect((await wrap()).backup).toBeUndefined();
  expect(await textOf(file)).toBe(before);
  await unwrapClient(file, { home });
  expect(await textOf(file)).toBe(first.replace('"mcpServers": {\n', `"mcpServers": {\n${line}`));
});

test("undo touches what was wrapped alone", async () => {
  await writeFile(file, clientText({ a: offering(dir), b: offering(dir), c: offering(dir) }));
  await wrap();
  const entries = await entriesNow();
  const mine = { command: "mine" };
  await writeFile(file, clientText({ new: mine, a: entries["a"], b: mine }));
  const report = await unwrapClient(file, { home });
  expect(report.entries.map((e) => [e.name, e.state])).toEqual([
    ["a", "restored"],
    ["b", "left"],
    ["c", "left"],
  ]);
  expect(await entriesNow()).toEqual({ new: mine, a: offering(dir), b: mine });
});

test("a server that cannot be started stays as it is, and the others are wrapped", async () => {
  const broken = { ...offering(dir, "crash"), env: { TOKEN: "a-very-secret-token" } };
  await writeFile(file, clientText({ broken, old: { type: "sse", url: "http://127.0.0.1/sse" }, good: offering(dir) }));
  const { entries } = await wrap();
  expect(entries.map((e) => [e.name, e.state])).toEqual([
    ["broken", "left"],
    ["old", "left"],
    ["good", "wrapped"],
  ]);
  expect(entries[0]?.reason).toContain("[secret] is not a good key");
  const [client] = await readdir(home);
  expect((await readdir(join(home, client!))).sort()).toEqual(["good", "wrapped.json"]);
  expect((await entriesNow())["broken"]).toEqual(broken);
});

test("a dry run says the same and writes nothing", async () => {
  const text = clientText({ a: offering(dir) });
  await writeFile(file, text);
  expect((await wrap({ dryRun: true })).entries).toMatchObject([{ name: "a", state: "wrapped", tools: 2 }]);
  expect(await textOf(file)).toBe(text);
  expect(existsSync(home)).toBe(false);
});

test("what the client fills in it goes on filling in", async () => {
  // The client's own placeholder, spelt so that it is none of this file's.
  const placeholder = "$" + "{input:token}";
  await writeFile(file, clientText({ a: { ...offering(dir), env: { TOKEN: placeholder } } }));
  const { entries } = await wrap();
  expect(await entriesNow()).toMatchObject({ a: { env: { TOKEN: placeholder } } });
  const config = await loaded(entries[0]!.folder!, { env: { TOKEN: "filled in" } });
  const server = config.servers["a"];
  expect(server?.transport === "stdio" && revealAll(server.env)).toEqual({ TOKEN: "filled in" });
});

test("a tool may have a name that means something else in YAML", async () => {
  const names = ["true", "1e3", "-x", "null"];
  await offer(
    dir,
    names.map((name) => ({ ...DROP, name })),
  );
  await writeFile(file, clientText({ a: offering(dir) }));
  expect((await wrap()).entries).toMatchObject([{ state: "wrapped", asked: names }]);
});

test("policies and manifests that somebody worked on survive an undo and a new wrap", async () => {
  await writeFile(file, clientText({ a: offering(dir) }));
  const [entry] = (await wrap()).entries;
  const policy = join(entry!.folder!, "policies", "start.yaml");
  await writeFile(policy, `${await textOf(policy)}# mine\n`);
  await unwrapClient(file, { home });
  await wrap();
  expect(await textOf(policy)).toMatch(/# mine\n$/);
});

test("a file behind a link is rewritten where it is", async () => {
  const link = join(dir, "link.json");
  await writeFile(file, clientText({ a: offering(dir) }));
  await symlink(file, link);
  await wrapClient(link, { home, launcher: LAUNCHER, timeout: 15_000 });
  expect((await entriesNow())["a"]?.command).toBe("/opt/node");
  await unwrapClient(file, { home });
});

test("a name that is no agent's and a file that is none are refused", async () => {
  await writeFile(file, clientText({ a: offering(dir) }));
  expect(await rejectionOf(wrap({ agent: "a b" }))).toMatchObject({ code: "BAD_ARGUMENT" });
  const missing = wrapClient(join(dir, "none.json"), { home, launcher: LAUNCHER, timeout: 1 });
  expect(await rejectionOf(missing)).toMatchObject({
    code: "CLIENT_CONFIG_INVALID",
    message: expect.stringContaining("does not exist"),
  });
});
