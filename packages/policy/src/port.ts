import type {
  CallFacts,
  Decision,
  Diagnostic,
  PolicyEffect,
  Principal,
  ResultDecision,
  ResultFacts,
  ToolFacts,
} from "@callgate/core";
import type { RolledOut } from "./mode.ts";
import type { Phase } from "./phase.ts";
import type { RuleTrace } from "./trace.ts";

/** A policy file as read. */
export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

/** One policy, for listings. */
export interface PolicySummary extends RolledOut {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly effect: PolicyEffect;
  readonly tools: readonly string[];
  readonly phase: Phase;
  /** Whether it has a condition: without one it always applies to whom it speaks to. */
  readonly conditional: boolean;
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
  /**
   * Whether `decideResult` could say anything of this tool's results to this principal: where it could not, nobody need look into them.
   */
  hasResultRules(tool: ToolFacts, principal: Principal): boolean;
  /**
   * Decides what becomes of one result, by `result` policies alone: it passes unless one that forbids holds, or one fails to
   * evaluate. `call` MUST be what the call was decided on. Never throws, never waits, reads nothing but its arguments.
   */
  decideResult(call: CallFacts, result: ResultFacts): ResultDecision;
  /**
   * Whether a permit could demand that something be taken out of the arguments of a call of this tool: until it is decided, nobody
   * knows what, and they MUST NOT be kept.
   */
  hidesArguments(tool: ToolFacts, principal: Principal): boolean;
  /** Whether the tool is shown to this principal in lists: `list` policies alone; without one that forbids, it is shown. */
  mayList(principal: Principal & { readonly scopes: readonly string[] }, tool: ToolFacts): boolean;
  /** Whether a rule about calls of this tool, live or on trial, asks where values came from or who asked for the action. */
  readsFlow(tool: ToolFacts): boolean;
  /** Whether one asks for the labels of the session. */
  readsLabels(tool: ToolFacts): boolean;
  /** Whether a rule about calls of any tool asks for either: then sessions MUST be watched from their beginning. */
  readonly watchesFlow: boolean;
}

/** A set that was loaded from files: it can also say what each of its rules makes of a call. */
export interface LoadedSet extends PolicySet {
  /**
   * Every rule that matches the tool, one by one, in the order of the files: what `decide` combines. For people who write
   * policies; slower than `decide`. Throws for facts that are not what they say.
   */
  explain(call: CallFacts): readonly RuleTrace[];
  /** The same for the rules that `decideResult` asks. */
  explainResult(call: CallFacts, result: ResultFacts): readonly RuleTrace[];
  /** The same for the rules that `mayList` asks. */
  explainListing(principal: Principal & { readonly scopes: readonly string[] }, tool: ToolFacts): readonly RuleTrace[];
}

/** What loading gave: a set, or every reason why there is none. */
export type LoadedPolicies =
  | { readonly ok: true; readonly set: LoadedSet; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };
