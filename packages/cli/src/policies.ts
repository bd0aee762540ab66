import { CallgateError, type Diagnostic } from "@callgate/core";
import { type Config, toolFactsOf } from "@callgate/gateway";
import { type CasePlace, type LoadedSet, loadPolicies, type PolicySource } from "@callgate/policy";

/** The policies of a configuration, or those in their place, checked. Throws `POLICY_INVALID` with every diagnostic. */
export function policySetOf(config: Config, sources: readonly PolicySource[] = config.policies): LoadedSet {
  const loaded = loadPolicies(sources, toolFactsOf(config), config.settings);
  if (loaded.ok) return loaded.set;
  throw invalid(loaded.diagnostics, "the policies");
}

/** Where cases of a configuration are read: its tools with what their manifests say of results and arguments, its agents, what it trusts. */
export function casePlaceOf(config: Config): CasePlace {
  const tools = toolFactsOf(config).map((facts) => {
    const server = config.servers[facts.server];
    const tool = facts.operation === "tools/call" ? server?.manifest.tools[facts.name] : undefined;
    return { ...facts, ...(tool && { result: tool.result, ...(tool.arguments && { arguments: tool.arguments }) }) };
  });
  return { tools, agents: config.agents, trusted: config.flow.trusted };
}

/** Throws `POLICY_INVALID` with the diagnostics, if there are any. */
export function refuseWrong(diagnostics: readonly Diagnostic[], where: string): void {
  if (diagnostics.length > 0) throw invalid(diagnostics, where);
}

function invalid(diagnostics: readonly Diagnostic[], where: string): CallgateError {
  const n = diagnostics.length;
  return new CallgateError("POLICY_INVALID", `${n} ${n === 1 ? "problem" : "problems"} in ${where}`, { diagnostics });
}
