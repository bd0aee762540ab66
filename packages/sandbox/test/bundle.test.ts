import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { CallgateError } from "@callgate/core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { bundleModule, LARGEST_BUNDLE, openSandbox, type Sandbox } from "../src/index.ts";

const ZOD = join(import.meta.dirname, "..", "..", "..", "node_modules", "zod");

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await openSandbox({ workers: 1 });
});
afterAll(() => sandbox.close());

/** A folder with these files, removed after the test. */
async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "callgate-bundle-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return dir;
}

/** A package that declares zod, as it is installed here. */
async function withZod(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await folder({
    "package.json": JSON.stringify({ name: "own", dependencies: { zod: "^4" } }),
    ...files,
  });
  await mkdir(join(dir, "node_modules"));
  await symlink(ZOD, join(dir, "node_modules", "zod"));
  return dir;
}

async function inGuest(code: string, entry: "describe" | "call", input: unknown = {}): Promise<unknown> {
  const result = await sandbox.run({ kind: "module", code, entry, input });
  return result.ok ? JSON.parse(result.value) : result.error.message;
}

async function problemsOf(dir: string): Promise<string[]> {
  const error = await bundleModule(join(dir, "tool.ts")).then(
    () => expect.unreachable("it was bundled"),
    (e: unknown) => e as CallgateError,
  );
  expect(error.code).toBe("BUNDLE_INVALID");
  return error.diagnostics.map(
    (d) => `${d.span?.file.split("/").pop()}:${d.span?.line}:${d.span?.column} ${d.message}`,
  );
}

const PLAIN = {
  "tool.ts": `
import { twice } from "./lib/twice.ts";
import limits from "./limits.json" with { type: "json" };
enum Way { Up = "up" }
interface Args { readonly n: number }
const input = { type: "object", properties: { n: { type: "number" } }, required: ["n"] };
export default { tools: { double: {
  description: "Doubles a number.", input, annotations: { readOnlyHint: true },
  handler: async (args: Args) => ({ n: twice(args.n) as number, way: Way.Up, most: limits.most }),
} } };`,
  "lib/twice.ts": "export const twice = (n: number): number => n * 2;",
  "limits.json": '{"most": 9}',
};

test("a package with TypeScript, more files and JSON becomes one module, which describes itself and can be called", async () => {
  const { code, digest, inputs } = await bundleModule(await folder(PLAIN));
  expect(inputs).toEqual(["lib/twice.ts", "limits.json", "tool.ts"]);
  expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(await inGuest(code, "describe")).toEqual([
    {
      name: "double",
      description: "Doubles a number.",
      inputSchema: { type: "object", properties: { n: { type: "number" } }, required: ["n"] },
      annotations: { readOnlyHint: true },
    },
  ]);
  expect(await inGuest(code, "call", { tool: "double", args: { n: 21 } })).toEqual({ n: 42, way: "up", most: 9 });
  expect(await inGuest(code, "call", { tool: "toString", args: {} })).toContain("has no tool `toString`");
});

test("the same source has the same digest wherever it lies, and no path of this machine in it", async () => {
  const dir = await folder(PLAIN);
  const one = await bundleModule(dir);
  const elsewhere = join(await folder({}), "deeper", "still");
  await cp(dir, elsewhere, { recursive: true });
  expect((await bundleModule(elsewhere)).digest).toBe(one.digest);
  expect(one.code).not.toContain(dir);
  expect(one.code).not.toContain(tmpdir());
  await writeFile(join(dir, "limits.json"), '{"most": 10}');
  expect((await bundleModule(dir)).digest).not.toBe(one.digest);
});

test("a zod schema becomes JSON Schema, its defaults apply, and what does not fit is said by place", async () => {
  const dir = await withZod({
    "tool.ts": `import * as z from "zod";
export default { tools: { greet: {
  description: "Greets.",
  input: z.strictObject({ name: z.string().min(2), mark: z.string().default("!") }),
  output: z.object({ text: z.string() }),
  handler: ({ name, mark }) => ({ text: name === "nobody" ? 5 : name + mark }),
} } };`,
  });
  const { code, digest, inputs } = await bundleModule(dir);
  expect(inputs).toEqual(["tool.ts", expect.stringMatching(/^zod@4\./)]);
  // Where the packages lie that it is made of does not matter either.
  const deeper = join(await folder({}), "a", "b", "c");
  await cp(dir, deeper, { recursive: true, verbatimSymlinks: true });
  expect((await bundleModule(deeper)).digest).toBe(digest);
  expect(await inGuest(code, "describe")).toMatchObject([
    {
      name: "greet",
      inputSchema: { type: "object", required: ["name"], properties: { mark: { default: "!" } } },
      outputSchema: { type: "object", required: ["text"] },
    },
  ]);
  expect(await inGuest(code, "call", { tool: "greet", args: { name: "Ann" } })).toEqual({ text: "Ann!" });
  expect(await inGuest(code, "call", { tool: "greet", args: { name: "A" } })).toMatch(
    /^ArgumentError: the arguments are not as declared: `name`: /,
  );
  expect(await inGuest(code, "call", { tool: "greet", args: { name: "nobody" } })).toMatch(
    /^OutputError: the result is not as declared: `text`: /,
  );
});

test("a result in MCP's own form is one, and its structured content is what the output is about", async () => {
  const dir = await withZod({
    "tool.ts": `import * as z from "zod";
const content = [{ type: "text", text: "seven" }];
export default { tools: { say: {
  description: "Says.",
  input: z.object({ n: z.unknown() }),
  output: z.object({ n: z.number(), unit: z.string().default("m") }),
  handler: ({ n }) => n === "failed" ? { content, isError: true } : { content, structuredContent: { n } },
} } };`,
  });
  const { code } = await bundleModule(dir);
  const say = (n: unknown) => inGuest(code, "call", { tool: "say", args: { n } });
  const content = [{ type: "text", text: "seven" }];
  expect(await say(7)).toEqual({ content, structuredContent: { n: 7, unit: "m" } });
  expect(await say("failed")).toEqual({ content, isError: true });
  expect(await say("x")).toMatch(/^OutputError: /);
});

test("a module that is not one says what it lacks", async () => {
  for (const [text, said] of [
    ["export default {}", "the module has no tools"],
    ["export default { tools: { a: { description: 'x' } } }", "tool `a` has no handler"],
    ["export default { tools: { a: { handler() {} } } }", "tool `a` has no description"],
    [
      "export default { tools: { a: { description: 'x', input: { type: 'string' }, handler() {} } } }",
      "its input must be",
    ],
  ] as const) {
    const { code } = await bundleModule(join(await folder({ "tool.js": text }), "tool.js"));
    expect(await inGuest(code, "describe")).toContain(said);
  }
});

test("imports of Node, of the network, of files outside and of what is not declared are refused with their places", async () => {
  const outside = await folder({ "secret.ts": "export const secret = 1;" });
  const dir = await withZod({
    "tool.ts": `import { readFileSync } from "node:fs";
import net from "net";
import "https://evil.example/x.js";
import { secret } from "${outside}/secret.ts";
import { linked } from "./linked.ts";
import lodash from "lodash";
import { gone } from "./gone.ts";
import page from "./page.html";
const name = "./x" + Math.random();
  const later = await import(name);
// TypeScript drops an import that nothing uses: it may be of a type.
export default { tools: {}, used: [readFileSync, net, secret, linked, lodash, gone, page] };`,
    "page.html": "<p>",
  });
  await symlink(join(outside, "secret.ts"), join(dir, "linked.ts"));
  expect(await problemsOf(dir)).toEqual(
    expect.arrayContaining([
      "tool.ts:1:30 `node:fs` is part of Node, which code in the sandbox has not",
      "tool.ts:2:17 `net` is part of Node, which code in the sandbox has not",
      "tool.ts:3:8 `https://evil.example/x.js` is no file of this package",
      expect.stringMatching(/^tool\.ts:4:24 `.*secret\.ts` is no file of this package$/),
      expect.stringMatching(/^tool\.ts:5:24 `\.\/linked\.ts` is outside the package's folder/),
      "tool.ts:6:20 `lodash` is not declared as a dependency",
      "tool.ts:7:22 `./gone.ts` cannot be found",
      "tool.ts:8:18 `./page.html` is neither JavaScript, TypeScript nor JSON",
      "tool.ts:10:23 this import is only known when it runs",
    ]),
  );
});

test("a file without a package around it may import its own folder and nothing else", async () => {
  const dir = await folder({ "tool.ts": 'import * as z from "zod";\nexport default { tools: {}, z };' });
  expect(await problemsOf(dir)).toEqual(["tool.ts:1:20 `zod` is not declared as a dependency"]);
});

test("an error of syntax has its place", async () => {
  const dir = await folder({ "tool.ts": "export default {\n  tools: {,\n};" });
  expect(await problemsOf(dir)).toEqual([expect.stringMatching(/^tool\.ts:2:\d+ /)]);
});

test("a bundle above the cap is refused", async () => {
  const dir = await folder({ "tool.js": `export default { tools: {}, text: "${"x".repeat(LARGEST_BUNDLE)}" };` });
  await expect(bundleModule(dir)).rejects.toMatchObject({ code: "BUNDLE_TOO_LARGE" });
});

test("a module that is not there, and a folder without one, say what to type", async () => {
  const dir = await folder({ "readme.txt": "" });
  await expect(bundleModule(join(dir, "tool.ts"))).rejects.toMatchObject({ code: "BAD_ARGUMENT" });
  await expect(bundleModule(dir)).rejects.toMatchObject({ help: expect.stringContaining("tool.ts") });
});
