import { CallgateError, type Diagnostic } from "@callgate/core";
import { type Config, toolFactsOf } from "@callgate/gateway";
import { type LoadedSet, loadPolicies } from "@callgate/policy";

/** The policies of a configuration, checked. Throws `POLICY_INVALID` with every diagnostic. */
export function policySetOf(config: Config): LoadedSet {
  const loaded = loadPolicies(config.policies, toolFactsOf(config));
  if (loaded.ok) return loaded.set;
  throw invalid(loaded.diagnostics, "the policies");
}

/** Throws `POLICY_INVALID` with the diagnostics, if there are any. */
export function refuseWrong(diagnostics: readonly Diagnostic[], where: string): void {
  if (diagnostics.length > 0) throw invalid(diagnostics, where);
}

function invalid(diagnostics: readonly Diagnostic[], where: string): CallgateError {
  const n = diagnostics.length;
  return new CallgateError("POLICY_INVALID", `${n} ${n === 1 ? "problem" : "problems"} in ${where}`, { diagnostics });
}
