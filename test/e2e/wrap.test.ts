import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { openReader } from "@callgate/ledger";
import { Client as ModernClient } from "@modelcontextprotocol/client";
import { StdioClientTransport as ModernTransport } from "@modelcontextprotocol/client/stdio";
import { Client as LegacyClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as LegacyTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..", "..");
const server = (name: string): string =>
  join(root, "node_modules", "@modelcontextprotocol", `server-${name}`, "dist", "index.js");

let folder: string;
let file: string;
let original: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "callgate-wrap-"));
  file = join(folder, "claude_desktop_config.json");
  await mkdir(join(folder, "notes"));
  await writeFile(join(folder, "notes", "a.txt"), "a note\n");
  original = `{
  // What the client had before.
  "mcpServers": {
    "files": { "command": ${JSON.stringify(process.execPath)}, "args": ${JSON.stringify([server("filesystem"), join(folder, "notes")])} },
    "memory": {
      "command": ${JSON.stringify(process.execPath)},
      "args": [${JSON.stringify(server("memory"))}],
      "env": { "MEMORY_FILE_PATH": ${JSON.stringify(join(folder, "memory.jsonl"))} },
    },
  },
}
`;
  await writeFile(file, original);
});

afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));

interface Entry {
  readonly command: string;
  readonly args: string[];
}

/** Runs `callgate` as a person would. */
async function callgate(...args: string[]): Promise<string> {
  return (await run(process.execPath, [join(root, "packages", "cli", "bin", "callgate.cjs"), ...args])).stdout;
}

/** Wraps the client's servers and gives the entries that it finds in its file from then on. */
async function wrap(): Promise<Record<"files" | "memory", Entry>> {
  await callgate("wrap", file, "--home", join(folder, "home"));
  const text = (await readFile(file, "utf8")).replace(/^ *\/\/.*$/m, "").replaceAll(/,(\s*\})/g, "$1");
  return (JSON.parse(text) as { mcpServers: Record<"files" | "memory", Entry> }).mcpServers;
}

/** What the ledger of a wrapped entry has of calls, oldest first: kind, tool, verdict or status. */
function recorded(entry: Entry): string[] {
  const reader = openReader(join(dirname(entry.args.at(-1) ?? ""), ".callgate"));
  try {
    const records = reader.query({ kind: ["intent", "outcome", "denial", "approval"], order: "asc" });
    expect(reader.verify().ok).toBe(true);
    return records.map((r) => `${r.kind} ${r.tool?.name} ${r.status ?? r.decision?.verdict}`);
  } finally {
    reader.close();
  }
}

function textOf(result: unknown): string {
  return (result as { content: { text: string }[] }).content.map((c) => c.text).join("");
}

describe("a client whose servers were wrapped", () => {
  it("of the 1.x SDK starts the entry, sees the same tools and calls them; the ledger has it", async () => {
    const { files } = await wrap();
    const client = new LegacyClient({ name: "desk", version: "1" });
    await client.connect(new LegacyTransport({ ...files, stderr: "pipe" }));
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toEqual(
      expect.arrayContaining(["read_text_file", "write_file", "list_directory"]),
    );
    const path = join(folder, "notes", "a.txt");
    expect(textOf(await client.callTool({ name: "read_text_file", arguments: { path } }))).toBe("a note\n");
    await client.close();
    expect(recorded(files)).toEqual(["intent read_text_file allow", "outcome read_text_file ok"]);
  });

  it("of the 2.x SDK does the same in the stateless era", async () => {
    const { memory } = await wrap();
    const client = new ModernClient({ name: "desk", version: "1" }, { versionNegotiation: { mode: "auto" } });
    await client.connect(new ModernTransport({ ...memory, stderr: "pipe" }));
    expect(client.getProtocolEra()).toBe("modern");
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toContain("create_entities");
    const entities = [{ name: "Ada", entityType: "person", observations: ["writes notes"] }];
    await client.callTool({ name: "create_entities", arguments: { entities } });
    expect(textOf(await client.callTool({ name: "read_graph", arguments: {} }))).toContain("writes notes");
    await client.close();
    expect(await readFile(join(folder, "memory.jsonl"), "utf8")).toContain("Ada");
    expect(recorded(memory)).toEqual([
      "intent create_entities allow",
      "outcome create_entities ok",
      "intent read_graph allow",
      "outcome read_graph ok",
    ]);
  });

  it("is asked before what the server calls destructive, and a no means no", async () => {
    const { files } = await wrap();
    const client = new LegacyClient({ name: "desk", version: "1" }, { capabilities: { elicitation: {} } });
    const asked: string[] = [];
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params.message);
      return { action: "accept", content: { approve: asked.length > 1 } };
    });
    await client.connect(new LegacyTransport({ ...files, stderr: "pipe" }));
    const path = join(folder, "notes", "b.txt");
    const write = { name: "write_file", arguments: { path, content: "b" } };
    expect(await client.callTool(write)).toMatchObject({ isError: true });
    await expect(readFile(path, "utf8")).rejects.toThrow("ENOENT");
    expect(await client.callTool(write)).not.toMatchObject({ isError: true });
    expect(await readFile(path, "utf8")).toBe("b");
    await client.close();
    expect(asked[0]).toContain("the server says that this can destroy what is there");
    expect(recorded(files).filter((r) => !r.startsWith("approval"))).toEqual([
      "denial write_file deny",
      "intent write_file allow",
      "outcome write_file ok",
    ]);
  });

  it("gets its file back byte by byte", async () => {
    await wrap();
    expect(await readFile(file, "utf8")).not.toBe(original);
    const printed = await callgate("wrap", file, "--undo", "--home", join(folder, "home"));
    expect(printed).toMatch(/^files +restored /m);
    expect(await readFile(file, "utf8")).toBe(original);
    await expect(callgate("wrap", file, "--undo", "--home", join(folder, "home"))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("was wrapped from here"),
    });
  });
});
