import type { Diagnostic, ToolFacts } from "@callgate/core";
import { loadPolicies } from "../load.ts";
import type { PolicySource } from "../port.ts";
import type { PolicySettings } from "../settings.ts";
import { study } from "./condition.ts";
import type { Finding } from "./finding.ts";
import { lintPairs } from "./lint-pair.ts";
import { lintRule, type RoledAgent } from "./lint-rule.ts";

/** Where policies are used. */
export interface LintPlace {
  readonly tools: readonly ToolFacts[];
  readonly agents: Readonly<Record<string, RoledAgent>>;
  readonly settings: PolicySettings;
}

/**
 * What is odd about policies that load, by file, line and column. A finding MUST be so: what would take more than is known here to tell
 * is not told. The values of settings are not looked at, since they are there to be changed. Policies that do not load give the reasons.
 */
export function lintPolicies(
  sources: readonly PolicySource[],
  { tools, agents, settings }: LintPlace,
):
  | { readonly ok: true; readonly findings: readonly Finding[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] } {
  const loaded = loadPolicies(sources, tools, settings);
  if (!loaded.ok) return loaded;
  const all = study(sources, { values: settings, types: "only" });
  const warnings = loaded.warnings.map(
    ({ message, span, help }): Finding => ({
      code: "check",
      severity: "warning",
      message,
      span: span ?? { file: sources[0]?.file ?? "", line: 1, column: 1 },
      ...(help !== undefined && { help }),
    }),
  );
  const findings = [...warnings, ...all.flatMap((one) => lintRule(one, tools, agents)), ...lintPairs(all, tools)];
  return { ok: true, findings: findings.toSorted(byPlace) };
}

function byPlace({ span: a }: Finding, { span: b }: Finding): number {
  return a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column;
}
