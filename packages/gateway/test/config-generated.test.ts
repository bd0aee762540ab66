import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { generatedFiles } from "../src/config/reference.ts";

const root = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(root, path), "utf8");

describe("what is generated from the schemas", () => {
  test.each(Object.entries(generatedFiles()))("%s is up to date (`npm run generate` writes it)", (path, text) => {
    expect(read(path)).toBe(text);
  });

  test("every key has a meaning in the reference", () => {
    const rows = (generatedFiles()["docs/configuration.md"] ?? "").split("\n").filter((l) => /^\| `\w+` \|/.test(l));
    expect(rows.length).toBeGreaterThan(60);
    for (const row of rows) expect(row).toMatch(/\. \|$/);
  });
});

describe("the editors' schemas", () => {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: true });
  const config = ajv.compile(JSON.parse(read("schemas/callgate.schema.json")));
  const manifest = ajv.compile(JSON.parse(read("schemas/manifest.schema.json")));

  test("take the example", () => {
    config(parse(read("examples/start/callgate.yaml")));
    expect(config.errors).toBeNull();
    for (const server of ["files", "memory"]) {
      manifest(parse(read(`examples/start/manifests/${server}.yaml`)));
      expect(manifest.errors).toBeNull();
    }
  });

  test.each([
    { version: 2, servers: {} },
    { version: 1 },
    { version: 1, servers: {}, server: {} },
    { version: 1, servers: { a__b: { command: "node" } } },
    { version: 1, servers: { a: {} } },
    { version: 1, servers: { a: { command: "node", url: "https://x" } } },
    { version: 1, servers: { a: { command: "node", timeout: "1 minute" } } },
    { version: 1, servers: {}, limits: { bodyBytes: "4MB" } },
    { version: 1, servers: {}, log: { level: "loud" } },
  ])("refuse %j", (value) => {
    expect(config(value)).toBe(false);
  });
});
