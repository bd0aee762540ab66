import { CallgateError, type Digest } from "@callgate/core";
import { expect, test } from "vitest";
import { acceptPins, definitionDigest, draftManifest, writeManifest } from "../src/config/index.ts";
import { folder, loaded } from "./config-folder.ts";

const definition = {
  name: "read_file",
  title: "Read",
  description: "Reads a file. It has\na second line: # and more",
  inputSchema: { type: "object", properties: { path: { type: "string" } } },
  annotations: { readOnlyHint: true, openWorldHint: false },
};
const ONE = `sha256:${"1".repeat(64)}` as Digest;
const TWO = `sha256:${"2".repeat(64)}` as Digest;

test("the digest of a definition is pinned", () => {
  expect(definitionDigest(definition)).toBe("sha256:f8e0d5b1e37e91a86ae2105d701a251e927e8f3ce00f0abdddb94ddb7c1dacac");
});

test("a digest covers what a model reads and what arguments are checked against, and nothing else", () => {
  const digest = definitionDigest(definition);
  const { inputSchema, ...rest } = definition;
  expect(definitionDigest({ inputSchema, ...rest })).toBe(digest);
  expect(definitionDigest({ ...definition, outputSchema: undefined, _meta: { a: 1 }, icons: [], execution: {} })).toBe(
    digest,
  );
  for (const change of [
    { name: "read_files" },
    { title: "Write" },
    { description: "Reads a file." },
    { inputSchema: { type: "object" } },
    { outputSchema: { type: "object" } },
    { annotations: { readOnlyHint: true } },
  ]) {
    expect(definitionDigest({ ...definition, ...change }), JSON.stringify(change)).not.toBe(digest);
  }
});

test("a draft assumes the worst of a tool that says nothing", () => {
  const { tools } = draftManifest("files", {
    tools: [
      definition,
      { name: "silent" },
      { name: "adds", annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false } },
    ],
  });
  expect(tools["read_file"]).toMatchObject({ scopes: ["files:read"], effects: ["read"], note: "Reads a file." });
  expect(tools["silent"]).toMatchObject({
    scopes: ["files:write"],
    effects: ["write", "destructive", "external"],
    labels: ["untrusted"],
  });
  expect(tools["adds"]).toMatchObject({ scopes: ["files:write"], effects: ["write"] });
});

test("a written draft loads as what was drafted", async () => {
  const hostile = { name: "it's: {a} #tool", description: "a\u2028tools:\n  evil: {}\u0085x: 1" };
  const draft = draftManifest("files", { tools: [definition, hostile], resources: true });
  const text = writeManifest(draft, "Draft.\nRead it.");
  expect(text).toMatch(/^# Draft\.\n# Read it\.\n/);
  expect(text).toContain("    # Reads a file.\n    scopes: [files:read]\n");
  const { tools, ...rest } = draft;
  const usable = writeManifest({ ...rest, tools: { read_file: tools["read_file"]! } });
  const config = await loaded(
    await folder({
      "callgate.yaml": "version: 1\nservers: { files: { command: node } }\n",
      "manifests/files.yaml": usable,
    }),
  );
  const manifest = config.servers["files"]?.manifest;
  expect(manifest?.tools["read_file"]).toMatchObject({
    scopes: ["files:read"],
    effects: ["read"],
    digest: definitionDigest(definition),
  });
  expect(manifest?.resources).toEqual({ scopes: ["files:read"], effects: ["read"], labels: [] });
  expect(acceptPins(text, { [hostile.name]: ONE })).toContain(ONE);
});

const MANIFEST = `# mine
version: 1
server:   files   # odd spacing stays
tools:
  read_file: {scopes: [files:read], effects: [read], digest: "${ONE}"} # kept
  write_file:
    # careful
    scopes:
      - files:write
    effects: [ write ]
    digest: ${ONE}   # old
`;

test("digests change in place and every other character stays", () => {
  const after = acceptPins(MANIFEST, { read_file: TWO, write_file: TWO });
  expect(after).toBe(MANIFEST.replace(`"${ONE}"`, TWO).replace(ONE, TWO));
  expect(acceptPins(MANIFEST, {})).toBe(MANIFEST);
});

test("a digest that is not there is added, and comments stay", () => {
  const after = acceptPins(MANIFEST.replace(/ {4}digest.*\n/, ""), { write_file: TWO });
  expect(after).toContain(`    # careful\n`);
  expect(after).toContain("# odd spacing stays");
  expect(after).toContain(`    digest: ${TWO}\n`);
});

test("new tools are added as drafts; one that is there is left alone", () => {
  const fresh = { scopes: ["files:read"], effects: ["read"] as const, digest: TWO, note: "Lists." };
  const after = acceptPins(MANIFEST, {}, { list: fresh, read_file: fresh });
  expect(after).toContain(`  list:\n    # Lists.\n`);
  expect(after).toContain(`digest: ${TWO}\n`);
  expect(after.match(/read_file/g)).toHaveLength(1);
  expect(after).toContain(`digest: "${ONE}"`);
  expect(acceptPins("version: 1\nserver: files\n", {}, { list: fresh })).toContain("tools:\n  list:\n");
});

test("a pin of an unknown tool and a text that is not YAML are refused", () => {
  const codeOf = (act: () => unknown): string | undefined => {
    try {
      act();
    } catch (error) {
      return error instanceof CallgateError ? error.code : undefined;
    }
    return "nothing";
  };
  expect(codeOf(() => acceptPins(MANIFEST, { nope: TWO }))).toBe("PIN_UNKNOWN_TOOL");
  expect(codeOf(() => acceptPins("tools: [", { nope: TWO }))).toBe("MANIFEST_INVALID");
});
