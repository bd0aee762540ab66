import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, onTestFinished, test } from "vitest";
import { childEnv, definitionDigest, loadConfig } from "../src/config/index.ts";

const file = join(import.meta.dirname, "../../../examples/start/callgate.yaml");

test("the example loads without a warning", async () => {
  expect(await loadConfig(file)).toMatchObject({ ok: true, warnings: [] });
});

test.each(["files", "memory"])("the manifest of `%s` pins what the real server offers, all of it", async (name) => {
  const data = await mkdtemp(join(tmpdir(), "callgate-example-"));
  onTestFinished(() => rm(data, { recursive: true }));
  const result = await loadConfig(file, { data });
  const server = result.ok ? result.config.servers[name] : undefined;
  if (server?.transport !== "stdio") throw new Error(`no server ${name}`);
  const client = new Client({ name: "callgate-test", version: "0" });
  const { command, args, cwd } = server;
  await client.connect(
    new StdioClientTransport({ command, args: [...args], cwd, env: childEnv(server), stderr: "ignore" }),
  );
  onTestFinished(() => client.close());
  const { tools } = await client.listTools();
  const offered = Object.fromEntries(tools.map((t) => [t.name, definitionDigest(t)]));
  const pinned = Object.fromEntries(Object.values(server.manifest.tools).map((t) => [t.name, t.digest]));
  expect(pinned).toEqual(offered);
});
