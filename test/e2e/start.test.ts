import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openReader } from "@callgate/ledger";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLI, callgate } from "../support/broker.ts";
import { type Folder, makeFolder } from "../support/folder.ts";
import { type Running, runs, startNode } from "../support/process.ts";
import { until } from "../support/until.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

describe("`npm start` with the example configuration", () => {
  let folder: Folder;
  let started: Running;
  const printed = () => started.lines.join("\n");

  beforeAll(async () => {
    folder = makeFolder();
    started = startNode([CLI, "start", "--data", folder.path, "--port", "0"]);
    await started.line(/Ctrl-C stops it/);
  });
  afterAll(async () => {
    await started?.stop();
    folder?.remove();
  });

  it("prints a URL, a token and a line for each thing to try", () => {
    expect(printed()).toMatch(/MCP URL {3}http:\/\/127\.0\.0\.1:\d+\/mcp/);
    for (const line of [
      "--method tools/list",
      "--tool-name files__read_text_file",
      "--tool-name files__write_file",
      "ledger verify",
    ])
      expect(printed()).toContain(line);
  });

  it("answers as its lines promise: a list, an allowed call, a denied call", async () => {
    const url = /http:\/\/\S+\/mcp/.exec(printed())?.[0] as string;
    const token = /^eyJ\S+$/m.exec(printed())?.[0] as string;
    const client = new Client({ name: "reader", version: "1" });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
      }),
    );
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toContain("files__read_text_file");
    const allowed = await client.callTool({ name: "files__read_text_file", arguments: { path: "README.txt" } });
    expect(JSON.stringify(allowed.content)).toContain("The example agent works in this folder");
    const denied = await client.callTool({
      name: "files__write_file",
      arguments: { path: "README.txt", content: "hello" },
    });
    expect(denied.isError).toBe(true);
    expect(JSON.stringify(denied.content)).toMatch(/Rule: write-only-notes\. Record: \d+\./);
    await client.close();
  });

  it("indexes what was said while it runs, so that it is found by its words", async () => {
    const reader = openReader(folder.path);
    await until("an index that is up to date", () => {
      const { indexed, head } = reader.searchState();
      return indexed === head;
    });
    reader.close();
    const found = await callgate("ledger", "query", "works in this folder", "--data", folder.path);
    expect(found.lines.join("\n")).toMatch(/ outcome +\S+ +files__read_text_file +ok /);
  });

  it("ends cleanly on Ctrl-C, its servers included, and leaves a ledger that verifies", async () => {
    // Where the system cannot say which children there are, their end is not checked.
    const file = `/proc/${started.pid}/task/${started.pid}/children`;
    const children = existsSync(file) ? readFileSync(file, "utf8").trim().split(" ").map(Number) : [];
    if (existsSync(file)) expect(children.length).toBeGreaterThanOrEqual(2);
    started.signal("SIGINT");
    expect(await started.ended).toBe(0);
    expect(children.filter(runs)).toEqual([]);
    const reader = openReader(folder.path);
    expect(reader.verify()).toMatchObject({ ok: true });
    const denied = reader.query({ kind: ["denial"], limit: 1 })[0];
    reader.close();
    // The record keeps the facts that its decision read: it can be explained after the fact.
    const example = join(ROOT, "examples", "start", "callgate.yaml");
    const explained = await callgate(
      "policy",
      "explain",
      "--record",
      String(denied?.seq),
      "--config",
      example,
      "--data",
      folder.path,
    );
    expect(explained.lines.join("\n")).toContain("write-only-notes");
    expect(explained.code).toBe(0);
  });
});

describe("`npm run demo`", () => {
  it("tells its story and verifies the record of it", async () => {
    const { code, lines } = await callgate("demo");
    const told = lines.join("\n");
    for (const part of [
      /Rule: write-only-notes/,
      /callgate\/missing-scope/,
      /callgate\/loop/,
      /Successfully wrote to notes\/demo\.txt/,
      /verified: \d+ records/,
    ])
      expect(told).toMatch(part);
    expect(code).toBe(0);
  });
});

describe("README.md", () => {
  it("shows a configuration, a manifest and policies that load as they stand", async () => {
    const readme = readFileSync(join(ROOT, "README.md"), "utf8");
    const [config, manifest, policies] = [...readme.matchAll(/```yaml\n([\s\S]*?)```/g)].map((m) => m[1] as string);
    const folder = makeFolder();
    const file = folder.write("callgate.yaml", config);
    folder.write("manifests/files.yaml", (manifest as string).replace("sha256:…", `sha256:${"a".repeat(64)}`));
    folder.write("policies/notes.yaml", policies);
    folder.write("workspace/README.txt", "hello");
    expect(await callgate("check", "--config", file)).toEqual({
      code: 0,
      lines: ["ok: 1 servers, 1 tools, 2 policies, 1 agents"],
    });
    folder.remove();
  });
});
