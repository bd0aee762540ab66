import type { CallFacts, Decision, Diagnostic, PolicyEffect, Principal, ToolFacts } from "@callgate/core";

/** A policy file as read. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

/** One policy, for listings. */
export interface PolicySummary {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly effect: PolicyEffect;
  readonly tools: readonly string[];
  readonly phase: "call" | "list";
}

/** A loaded, type-checked, compiled set of policies. Immutable; a reload makes a new one. */
export interface PolicySet {
  /** Digest of the sources, in order. */
  readonly digest: string;
  readonly policies: readonly PolicySummary[];
  /**
   * Decides one call. Default deny; a forbid wins; ask beats permit; a policy that fails to evaluate denies.
   * Never throws, never waits, reads nothing but its argument.
   */
  decide(call: CallFacts): Decision;
  /** Whether the tool is shown to this principal in lists: `list` policies alone; without one that forbids, it is shown. */
  mayList(principal: Principal & { readonly scopes: readonly string[] }, tool: ToolFacts): boolean;
}

/** What loading gave: a set, or every reason why there is none. */
export type LoadedPolicies =
  | { readonly ok: true; readonly set: PolicySet; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
