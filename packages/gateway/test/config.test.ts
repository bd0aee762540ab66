import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../src/config/index.ts";
import { parseCases, run } from "./config-cases.ts";
import { folder } from "./config-folder.ts";

const cases = parseCases(readFileSync(join(import.meta.dirname, "config-cases.txt"), "utf8"));
const base = cases.find((c) => c.name === "base");

describe("what is said about mistakes", () => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, given) => {
    if (!base) throw new Error("config-cases.txt has no base");
    expect((await run(given, base)).trim()).toBe(given.expected);
  });

  test("every error has a place and a help line", () => {
    expect(cases.length).toBeGreaterThan(60);
    for (const { name, expected } of cases) {
      const lines = expected.split("\n").filter((line) => line !== "ok");
      expect(lines.length % 2, name).toBe(0);
      for (const [i, line] of lines.entries()) {
        expect(line, name).toMatch(
          i % 2 === 0 ? /^(?:warning: )?[\w./]+:\d+:\d+: [^A-Z].*[^.]$/ : /^ {2}help: [^A-Z].*[^.]$/,
        );
      }
    }
  });
});

describe("no text makes loading throw", () => {
  test("property: a damaged file loads, or each error has a place and a help line", async () => {
    const dir = await folder(base?.files ?? {});
    const file = join(dir, "callgate.yaml");
    const texts = cases.flatMap((c) => c.files["callgate.yaml"] ?? []);
    const piece = fc.constantFrom(
      "",
      "\n",
      "  ",
      "\t",
      ":",
      "- ",
      "[",
      "}",
      "&a ",
      "*a",
      "!x ",
      '"',
      "|",
      "${",
      "null",
      "__proto__: 1",
      "\u0000",
      "\ud800",
    );
    const damage = fc.record({ text: fc.constantFrom(...texts), at: fc.nat(400), cut: fc.nat(30), piece });
    await fc.assert(
      fc.asyncProperty(damage, async (d) => {
        await writeFile(file, d.text.slice(0, d.at) + d.piece + d.text.slice(d.at + d.cut));
        const result = await loadConfig(file, { env: {} });
        if (result.ok) return;
        expect(result.diagnostics.length).toBeGreaterThan(0);
        for (const { span, help } of result.diagnostics) {
          expect(span).toMatchObject({ line: expect.any(Number), column: expect.any(Number) });
          expect(help).toBeTruthy();
        }
      }),
      { numRuns: 300 },
    );
  });

  test.each(["[", "{a: ", "- ", "? ", "&a [*a, ", "a:\n ", "!!str "])("%j, fifty thousand times", async (piece) => {
    const dir = await folder({ "callgate.yaml": piece.repeat(50_000) });
    const result = await loadConfig(join(dir, "callgate.yaml"));
    expect(result.ok).toBe(false);
  });

  test("a file over 1 MiB is refused", async () => {
    const dir = await folder({ "callgate.yaml": `version: 1\n#${" ".repeat(2 ** 20)}` });
    expect(await loadConfig(join(dir, "callgate.yaml"))).toMatchObject({
      ok: false,
      diagnostics: [{ message: expect.stringContaining("is over 1 MiB") }],
    });
  });
});
