import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

const CONFIG = join(import.meta.dirname, "..", "..", "..", "examples", "start", "callgate.yaml");

it("runs the cases beside the example's policies", async () => {
  const { code, out } = await callgate("policy", "test", "--config", CONFIG);
  expect(out).toContain("9 passed, 0 failed");
  expect(code).toBe(0);
});

it("fails a case that the policies do not bear out, and writes JUnit", async () => {
  const folder = await emptyFolder();
  const cases = join(folder, "wrong.test.yaml");
  await writeFile(
    cases,
    "cases:\n  - name: writing is free\n    principal: example\n    tool: files__write_file\n    args: { path: notes/a.txt, content: x }\n    expect: { verdict: allow }\n",
  );
  const junit = join(folder, "junit.xml");
  const { code, out } = await callgate("policy", "test", cases, "--config", CONFIG, "--junit", junit);
  expect(code).toBe(1);
  expect(out).toMatch(/0 passed, 1 failed/);
});

it("explains a given call: every rule, and why the verdict", async () => {
  const folder = await emptyFolder();
  const file = join(folder, "call.json");
  await writeFile(
    file,
    JSON.stringify({ principal: "example", tool: "files__write_file", args: { path: "README.txt", content: "x" } }),
  );
  const { code, out } = await callgate("policy", "explain", "--config", CONFIG, "--call", file, "--json");
  expect(code).toBe(0);
  const told = JSON.parse(out) as { verdict?: string; decision?: { verdict: string } };
  expect(told.verdict ?? told.decision?.verdict).toBe("deny");
  expect(out).toContain("write-only-notes");
});
