import { CallgateError, type Diagnostic, type Reason } from "@callgate/core";
import { loadPolicies, type PolicySet } from "@callgate/policy";
import type { Config } from "./config/index.ts";
import type { Registry } from "./registry.ts";

const NONE: Reason = {
  rule: "callgate/no-policies",
  message: "no policies are in force",
  remedy: "tell an operator: the broker's policies did not load",
};

/** Denies everything: in force until policies are compiled. */
export const NOTHING_YET: PolicySet = {
  digest: `sha256:${"0".repeat(64)}`,
  policies: [],
  decide: () => ({
    verdict: "deny",
    reasons: [NONE],
    errors: [],
    obligations: [],
    policies: `sha256:${"0".repeat(64)}`,
  }),
  hasResultRules: () => true,
  decideResult: () => ({ verdict: "block", reasons: [NONE], errors: [], obligations: [] }),
  hidesArguments: () => true,
  mayList: () => false,
  readsFlow: () => false,
  readsLabels: () => false,
  // What comes may ask.
  watchesFlow: true,
};

/** The policies of a configuration, checked against what is registered. Throws `POLICY_INVALID` with every diagnostic. */
export function compilePolicies(config: Config, registry: Registry): PolicySet {
  const loaded = loadPolicies(config.policies, registry.facts(), config.settings);
  if (loaded.ok) return loaded.set;
  const diagnostics: readonly Diagnostic[] = loaded.diagnostics;
  throw new CallgateError(
    "POLICY_INVALID",
    `${diagnostics.length} ${diagnostics.length === 1 ? "problem" : "problems"} in the policies`,
    { diagnostics },
  );
}
