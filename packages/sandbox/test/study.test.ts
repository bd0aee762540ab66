import { afterAll, expect, it } from "vitest";
import { openStudy } from "../src/index.ts";

const study = openStudy();
afterAll(() => study.close());

it.each([
  ["JavaScript", "const x = ;", 1, 11],
  ["TypeScript", "\nreturn 1;\nconst x: number = ;\n", 3, 19],
  ["types that cannot be erased", "const q = 1; enum A { b }", 1, 14],
  ["a complaint about several lines", "const q = 1;\n  enum A {\n b }", 2, 3],
  ["what is missing at the end", "await tools.a.b({ x: 1\n\n", 1, 23],
  ["a bracket that is open further up", "if (a) {\n foo(1\n}\nreturn 2", 3, 1],
  ["what parses and means nothing", "let x: number = 1;\nlet x = 2", 2, 5],
  ["tabs", "\t\tconst x = ;", 1, 13],
  ["wide characters and such of two units", "const é = '漢字😀'; const x = ;", 1, 29],
  ["other ends of lines", "const a = 1;\r\nconst x = ;\r\n", 2, 11],
])("says where a script cannot be read, as it was written: %s", async (_, script, line, column) => {
  const error = await study.read(script).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "SANDBOX_SYNTAX",
    message: expect.stringContaining(`(line ${line}, column ${column})`),
    diagnostics: [{ span: { file: "script", line, column } }],
  });
});

it("names no place where there is none", async () => {
  const error = await study.read("a".repeat(300_000)).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "SANDBOX_SYNTAX", diagnostics: [] });
});
