import { canonicalJson, type Obligation, type Reason } from "@callgate/core";
import type { LoadedSet, PolicySummary } from "../port.ts";
import type { RuleTrace } from "../trace.ts";
import type { PolicyCase } from "./cases.ts";

/** How one case went. `problems` is empty if it passed. */
export interface CaseResult {
  readonly test: PolicyCase;
  readonly problems: readonly string[];
}

/** A rule that no case showed from every side. */
export interface Uncovered {
  readonly rule: string;
  readonly missing: readonly ("true" | "false")[];
}

export interface TestReport {
  readonly results: readonly CaseResult[];
  readonly failed: number;
  readonly coverage: { readonly rules: number; readonly covered: number; readonly uncovered: readonly Uncovered[] };
}

/**
 * Decides every case and compares. A rule is covered once it was seen true and, if it has a condition, seen false. `counted` tells
 * which rules' coverage is of interest; left out, all.
 */
export function runCases(
  set: LoadedSet,
  cases: readonly PolicyCase[],
  counted: (policy: PolicySummary) => boolean = () => true,
): TestReport {
  const seen = new Set<string>();
  const results = cases.map((test): CaseResult => {
    const { traces, outcome } = decided(set, test);
    for (const { rule, result } of traces) seen.add(`${result} ${rule}`);
    return { test, problems: problemsOf(test, outcome) };
  });
  const rules = set.policies.filter(counted);
  const uncovered = rules.flatMap(({ id, conditional }): Uncovered[] => {
    const sides = conditional ? (["true", "false"] as const) : (["true"] as const);
    const missing = sides.filter((side) => !seen.has(`${side} ${id}`));
    return missing.length > 0 ? [{ rule: id, missing }] : [];
  });
  return {
    results,
    failed: results.filter((r) => r.problems.length > 0).length,
    coverage: { rules: rules.length, covered: rules.length - uncovered.length, uncovered },
  };
}

/** Several reports as one, in their order. */
export function joinReports(reports: readonly TestReport[]): TestReport {
  const sum = (of: (report: TestReport) => number): number => reports.reduce((n, report) => n + of(report), 0);
  return {
    results: reports.flatMap((report) => report.results),
    failed: sum((report) => report.failed),
    coverage: {
      rules: sum((report) => report.coverage.rules),
      covered: sum((report) => report.coverage.covered),
      uncovered: reports.flatMap((report) => report.coverage.uncovered),
    },
  };
}

/** What came out of a case, whatever its phase. */
interface Outcome {
  readonly verdict: string;
  readonly reasons: readonly Reason[];
  readonly errors: readonly Reason[];
  readonly obligations: readonly Obligation[];
}

function decided(
  set: LoadedSet,
  { call, result, expect }: PolicyCase,
): { traces: readonly RuleTrace[]; outcome: Outcome } {
  if (expect.phase === "list") {
    const { principal, tool } = call;
    const traces = set.explainListing(principal, tool);
    const hiding = traces
      .filter((t) => t.mode === undefined && (t.result === "true" || t.result === "failed"))
      .map((t) => t.rule);
    return {
      traces,
      outcome: {
        verdict: set.mayList(principal, tool) ? "listed" : "hidden",
        reasons: hiding.map((rule) => ({ rule, message: "" })),
        errors: traces.flatMap((t) => (t.failure === undefined ? [] : [{ rule: t.rule, message: t.failure }])),
        obligations: [],
      },
    };
  }
  if (result) return { traces: set.explainResult(call, result), outcome: set.decideResult(call, result) };
  return { traces: set.explain(call), outcome: set.decide(call) };
}

function problemsOf({ expect }: PolicyCase, outcome: Outcome): string[] {
  const problems: string[] = [];
  const rules = outcome.reasons.map((r) => r.rule);
  if (outcome.verdict !== expect.verdict)
    problems.push(`expected \`${expect.verdict}\`, got \`${outcome.verdict}\` by ${listed(rules)}`);
  if (expect.rules && differ(expect.rules, rules))
    problems.push(`expected the rules ${listed(expect.rules)}, got ${listed(rules)}`);
  const reasons = outcome.reasons.map((r) => r.message);
  if (expect.reasons && differ(expect.reasons, reasons))
    problems.push(`expected the reasons ${listed(expect.reasons)}, got ${listed(reasons)}`);
  if (expect.obligations) {
    const got = outcome.obligations.map((o, i): Record<string, unknown> => {
      const { rule, ...rest } = o;
      return expect.obligations?.[i] && "rule" in expect.obligations[i] ? { rule, ...rest } : rest;
    });
    if (canonicalJson(got) !== canonicalJson(expect.obligations))
      problems.push(`expected the obligations ${canonicalJson(expect.obligations)}, got ${canonicalJson(got)}`);
  }
  if (problems.length > 0)
    for (const { rule, message } of outcome.errors) problems.push(`the rule \`${rule}\` failed: ${message}`);
  return problems;
}

function differ(a: readonly string[], b: readonly string[]): boolean {
  return canonicalJson([...a].sort()) !== canonicalJson([...b].sort());
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? "none" : items.map((item) => `\`${item}\``).join(", ");
}
