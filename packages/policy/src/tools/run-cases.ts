import { canonicalJson, type Decision } from "@callgate/core";
import type { LoadedSet } from "../port.ts";
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

/** Decides every case and compares. A rule is covered once it was seen true and, if it has a condition, seen false. */
export function runCases(set: LoadedSet, cases: readonly PolicyCase[]): TestReport {
  const seen = new Set<string>();
  const results = cases.map((test): CaseResult => {
    for (const { rule, result } of set.explain(test.call)) seen.add(`${result} ${rule}`);
    return { test, problems: problemsOf(test, set.decide(test.call)) };
  });
  // What hides tools from lists takes no part in a call.
  const rules = set.policies.filter((policy) => policy.phase === "call");
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

function problemsOf(test: PolicyCase, decision: Decision): string[] {
  const problems: string[] = [];
  const rules = decision.reasons.map((r) => r.rule);
  if (decision.verdict !== test.verdict)
    problems.push(`expected \`${test.verdict}\`, got \`${decision.verdict}\` by ${listed(rules)}`);
  if (test.rules && differ(test.rules, rules))
    problems.push(`expected the rules ${listed(test.rules)}, got ${listed(rules)}`);
  const reasons = decision.reasons.map((r) => r.message);
  if (test.reasons && differ(test.reasons, reasons))
    problems.push(`expected the reasons ${listed(test.reasons)}, got ${listed(reasons)}`);
  if (test.obligations) {
    const got = decision.obligations.map((o, i): Record<string, unknown> => {
      const { rule, ...rest } = o;
      return test.obligations?.[i] && "rule" in test.obligations[i] ? { rule, ...rest } : rest;
    });
    if (canonicalJson(got) !== canonicalJson(test.obligations))
      problems.push(`expected the obligations ${canonicalJson(test.obligations)}, got ${canonicalJson(got)}`);
  }
  if (problems.length > 0)
    for (const { rule, message } of decision.errors) problems.push(`the rule \`${rule}\` failed: ${message}`);
  return problems;
}

function differ(a: readonly string[], b: readonly string[]): boolean {
  return canonicalJson([...a].sort()) !== canonicalJson([...b].sort());
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? "none" : items.map((item) => `\`${item}\``).join(", ");
}
