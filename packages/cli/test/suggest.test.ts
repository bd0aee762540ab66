import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { getDefaultEnvironment, StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, test } from "vitest";
import { COMPILED, callgate, emptyFolder } from "./run.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const MAIN = join(ROOT, "packages", "cli", "dist", "main.js");

/** The example, in a folder of its own, after its agent has made some calls through a broker. */
async function worked(): Promise<string> {
  const folder = await emptyFolder();
  await cp(join(ROOT, "examples", "start"), folder, { recursive: true, filter: (path) => !path.endsWith(".callgate") });
  const config = join(folder, "callgate.yaml");
  const text = await readFile(config, "utf8");
  await writeFile(config, text.replaceAll("${config}/../../node_modules", join(ROOT, "node_modules")));
  const client = new Client({ name: "test", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [MAIN, "serve", "--stdio", "--config", config],
      env: { ...getDefaultEnvironment(), ...COMPILED },
      stderr: "ignore",
    }),
  );
  const calls: [string, Record<string, unknown>][] = [
    ["files__create_directory", { path: "notes/2026" }],
    ["files__create_directory", { path: 'notes/"] || true || ["' }],
    ["files__create_directory", { path: "notes/2027" }],
    ["files__create_directory", { path: "elsewhere" }],
    ["files__read_text_file", { path: "README.txt", head: 1 }],
    ["files__read_text_file", { path: "README.txt", head: 3 }],
    ["files__read_text_file", { path: "README.txt", head: 2 }],
    ["files__read_text_file", { path: "nowhere.txt" }],
  ];
  for (const [name, args] of calls) await client.callTool({ name, arguments: args });
  await client.close();
  return config;
}

test("drafts permits from what an agent did: they allow it, and no more than its bounds", async () => {
  const config = await worked();
  const out = join(await emptyFolder(), "suggested.yaml");
  const drafted = await callgate("policy", "suggest", "-c", config, "--agent", "example", "--out", out);
  expect(drafted).toMatchObject({ code: 0, out: expect.stringContaining("2 policies, which allow all 6 calls") });
  expect(drafted.err).toBe("not learned from: 1 because the outcome was `error`\n");
  const text = await readFile(out, "utf8");
  expect(text).toContain("  # 3 calls: records ");
  expect(text).toContain(`  - id: suggest-example-files-create-directory
    effect: permit
    agents: ["example"]
    tools: ["files__create_directory"]
    when: >-
      pathUnder(args.path, "notes") &&
      args.all(name, name in ["path"])
`);
  expect(text).toContain("#   example: memory:read, memory:write\n");
  expect(text).toMatch(/^# {3}example: memory__read_graph$/m);

  // By the draft alone, what was done is allowed still, and the answers of then that were an error too are not.
  const simulated = await callgate(
    "policy",
    "simulate",
    "-c",
    config,
    "--policies",
    out,
    "--fail-on",
    "none",
    "--json",
  );
  const { changes, groups } = JSON.parse(simulated.out) as {
    changes: object;
    groups: { calls: number; tool: string }[];
  };
  expect(changes).toEqual({ denied: 1, allowed: 0, asked: 0 });
  expect(groups).toMatchObject([{ calls: 1, tool: "files__read_text_file" }]);

  const again = await callgate("policy", "suggest", "-c", config, "--out", out);
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining("it is there already") });

  const json = await callgate(
    "policy",
    "suggest",
    "-c",
    config,
    "--tool",
    "files__read*",
    "--min-calls",
    "9",
    "--json",
  );
  expect(JSON.parse(json.out)).toMatchObject({
    calls: 3,
    suggestions: [{ id: "suggest-example-files-read-text-file", tool: "files__read_text_file", calls: 3 }],
    scopes: [],
    unused: [],
  });

  const none = await callgate("policy", "suggest", "-c", config, "--agent", "curator");
  expect(none).toMatchObject({ code: 1, err: expect.stringContaining("there is no call to learn from") });
});
