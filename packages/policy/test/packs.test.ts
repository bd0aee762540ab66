import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Diagnostic, formatDiagnostic } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { loadPolicies, type PolicySource, readCaseHead, readCases, runCases } from "../src/index.ts";

const PACKS = join(import.meta.dirname, "../../../policies");
const packs = readdirSync(PACKS).filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"));

function sourceOf(file: string): PolicySource {
  return { file, text: readFileSync(join(PACKS, file), "utf8") };
}

/** The diagnostics as a person reads them. */
function told(diagnostics: readonly Diagnostic[]): string[] {
  return diagnostics.map(formatDiagnostic);
}

describe.each(packs)("the pack %s", (pack) => {
  const source = sourceOf(pack.replace(/\.yaml$/, ".test.yaml"));
  const head = readCaseHead(source);
  const loaded = loadPolicies(
    (head.against ?? []).map(({ name }) => sourceOf(name)),
    head.tools,
    head.settings,
  );
  const read = readCases(source, { tools: [] });

  it("loads with its cases, without a warning", () => {
    expect(told(head.diagnostics)).toEqual([]);
    expect(loaded.ok ? told(loaded.warnings) : told(loaded.diagnostics)).toEqual([]);
    expect(told(read.diagnostics)).toEqual([]);
    expect(head.against?.map(({ name }) => name)).toContain(pack);
  });

  it("does in every case what the case says, and every rule is seen from both sides", () => {
    if (!loaded.ok) throw new Error("the pack does not load");
    const report = runCases(loaded.set, read.cases, (policy) => policy.file === pack);
    const wrong = report.results.flatMap(({ test, problems }) =>
      problems.map((problem) => `${test.span.file}:${test.span.line}: ${test.name}: ${problem}`),
    );
    expect(wrong).toEqual([]);
    expect(report.coverage.uncovered).toEqual([]);
    expect(report.coverage.rules).toBeGreaterThan(0);
  });
});

it("every pack says in its first line what it is for", () => {
  for (const pack of packs) expect(sourceOf(pack).text.split("\n")[0]).toMatch(/^# [A-Z].{20,}\.$/);
});
