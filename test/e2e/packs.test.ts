import { afterAll, beforeAll, expect, it } from "vitest";
import { type Agent, connect, ruleOf } from "../support/agent.ts";
import { stdioBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { manifestOf } from "../support/manifest.ts";
import { FILESYSTEM, toolsOf } from "../support/official.ts";

// Packs in a broker, over a server that nobody wrote for them: the roles of its arguments are guessed from its definitions.
const folder = makeFolder("packs");
let agent: Agent;

beforeAll(async () => {
  const server = [...FILESYSTEM, folder.path];
  folder.write("work/a.txt", "inside");
  folder.write("other/b.txt", "outside");
  folder.write("manifests/files.yaml", manifestOf("files", await toolsOf(server)));
  const config = folder.write("callgate.yaml", {
    version: 1,
    stdio: { agent: "bot" },
    servers: { files: { command: process.execPath, args: server } },
    agents: { bot: {} },
    policies: ["pack:base", "pack:confinement"],
    settings: { workFolder: `${folder.path}/work`, allowedDomains: [] },
  });
  agent = await connect("2.x client, legacy", { args: stdioBroker(config) });
});

afterAll(async () => {
  await agent?.close();
  folder.remove();
});

it("a pack holds with the settings of the configuration", async () => {
  const inside = await agent.call("files__read_text_file", { path: `${folder.path}/work/a.txt` });
  expect(inside).toMatchObject({ content: [{ type: "text", text: "inside" }] });
  const outside = await agent.call("files__read_text_file", { path: `${folder.path}/work/../other/b.txt` });
  expect(outside.isError).toBe(true);
  expect(ruleOf(outside)).toBe("confined-paths");
});

it("both ends of a move are looked at", async () => {
  const moved = await agent.call("files__move_file", {
    source: `${folder.path}/work/a.txt`,
    destination: `${folder.path}/other/a.txt`,
  });
  expect(ruleOf(moved)).toBe("confined-paths");
});
