import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

const SERVER = `
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
const tools = JSON.parse(readFileSync("tools.json", "utf8"));
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  const results = {
    initialize: { protocolVersion: params?.protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } },
    "tools/list": { tools },
  };
  const body = results[method] ? { result: results[method] } : { error: { code: -32601, message: "unknown" } };
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: "2.0", id, ...body }));
});`;

const TOOL = {
  name: "read",
  description: "Reads.\nA thing.",
  inputSchema: { type: "object" },
  annotations: { readOnlyHint: true },
};

/** A folder with a configuration of one server, `s`, that offers one tool. */
async function project(): Promise<{ dir: string; config: string[] }> {
  const dir = await emptyFolder();
  await writeFile(join(dir, "server.mjs"), SERVER);
  await writeFile(join(dir, "tools.json"), JSON.stringify([TOOL]));
  const servers = {
    s: { command: process.execPath, args: ["server.mjs"] },
    gone: { command: join(dir, "nothing-here") },
  };
  await writeFile(join(dir, "callgate.yaml"), JSON.stringify({ version: 1, servers }));
  return { dir, config: ["--config", join(dir, "callgate.yaml")] };
}

test("register prints what it drafted and says that it must be read; a second one is refused", async () => {
  const { dir, config } = await project();
  const shown = await callgate("register", "s", "--stdout", ...config);
  expect(shown.code).toBe(0);
  const { out, code } = await callgate("register", "s", ...config);
  expect(code).toBe(0);
  expect(out).toMatch(/^read +read, external +s:read +Reads\.$/m);
  expect(out).toContain("Read it before you trust it");
  expect(out).toContain("No agent has `s:read` yet");
  expect(await readFile(join(dir, "manifests", "s.yaml"), "utf8")).toBe(shown.out);
  expect(await callgate("register", "s", ...config)).toMatchObject({
    code: 1,
    err: expect.stringContaining("has a manifest already"),
  });
  expect(await callgate("register", "s", "--force", "--json", ...config)).toMatchObject({
    code: 0,
    out: expect.stringContaining('"written":true'),
  });
});

test("a server that is not there, in the configuration or at all, ends with its own code", async () => {
  const { config } = await project();
  expect(await callgate("register", "t", ...config)).toMatchObject({
    code: 2,
    err: expect.stringContaining("the configuration has: s, gone"),
  });
  expect(await callgate("register", "gone", ...config)).toMatchObject({
    code: 1,
    err: expect.stringContaining("cannot list the tools of `gone`"),
  });
});

test("pin shows what drifted, line by line, until it is accepted", async () => {
  const { dir, config } = await project();
  await callgate("register", "s", ...config);
  expect(await callgate("pin", "s", ...config)).toMatchObject({ code: 0, out: expect.stringMatching(/^read +same /m) });
  await writeFile(
    join(dir, "tools.json"),
    JSON.stringify([{ ...TOOL, description: "Reads.\nAnd \u001b[8msends" }, { name: "new" }]),
  );

  const drifted = await callgate("pin", "s", ...config);
  expect(drifted.code).toBe(1);
  expect(drifted.out).toMatch(/^read +drifted /m);
  expect(drifted.out).toContain("read:\n  description\n      Reads.\n    - A thing.\n    + And \\u{1b}[8msends\n");
  expect(drifted.out).toContain("run `callgate pin --accept s read`");
  expect(drifted.out).toContain("1 not in the manifest");

  const accepted = await callgate("pin", "--accept", "s", "read", ...config);
  expect(accepted).toMatchObject({ code: 0, out: expect.stringMatching(/^read +accepted /m) });
  expect(await callgate("pin", "s", ...config)).toMatchObject({ code: 0 });
  expect(await callgate("register", "s", "--add", ...config)).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^new +write, destructive, external /m),
  });
});

test("pin of all servers goes on past one that cannot be asked", async () => {
  const { config } = await project();
  await callgate("register", "s", ...config);
  const { code, out } = await callgate("pin", ...config);
  expect(code).toBe(1);
  expect(out).toMatch(/^read +same /m);
  expect(out).toContain("gone: `gone` has no manifest");
  expect(await callgate("pin", "--accept", ...config)).toMatchObject({
    code: 2,
    err: expect.stringContaining("`--accept` needs a server"),
  });
});
