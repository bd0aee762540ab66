import type { Label } from "./tool.ts";

/** What one policy says when it matches (Cedar, with `ask` between). */
export type PolicyEffect = "permit" | "forbid" | "ask";

/** What the broker does with a call. */
export type Verdict = "allow" | "deny" | "hold";

/** Why: the rule that spoke, in a sentence a model can act on. MUST NOT carry policy source. */
export interface Reason {
  /** A policy's id, or one of the broker's own rules, which start with `callgate/`. */
  readonly rule: string;
  readonly message: string;
  /** What to do about it, where there is something. */
  readonly remedy?: string;
}

/** What the broker must do beside allowing. Paths are JSONPaths that name places. */
export type Obligation = { readonly rule: string } & (
  | {
      readonly kind: "redact";
      readonly target: "args" | "result";
      readonly path: string;
      /** RE2: only what it matches in the texts at `path` is taken out. Absent: all that is there. */
      readonly pattern?: string;
    }
  | { readonly kind: "label"; readonly label: Label }
  /** At least one of the two. `callsPerMinute` counts the calls of one agent that this rule permitted. */
  | { readonly kind: "cap"; readonly resultBytes?: number; readonly callsPerMinute?: number }
  | { readonly kind: "notify"; readonly channel: string }
  /** The argument is set to this. */
  | { readonly kind: "rewrite"; readonly path: string; readonly value: unknown }
  /** A number outside the bounds is set to the nearer one; at least one of the two. What is no number is a deny. */
  | { readonly kind: "clamp"; readonly path: string; readonly min?: number; readonly max?: number }
);

/** Who may answer a held call: an operator out of band, or also the agent's own client. */
export type Approver = "operator" | "client";

/** What policies that are not enforced yet made of a call. MUST NOT have changed its verdict. */
export interface Trial {
  /** Ids of `observe` policies that held or failed, in the order of the files. */
  readonly observed: readonly string[];
  /** What the decision would have been with the `shadow` policies enforced, where its verdict or its rules differ. */
  readonly shadow?: { readonly verdict: Verdict; readonly rules: readonly string[] };
}

/** The outcome of deciding one call. */
export interface Decision {
  readonly verdict: Verdict;
  /** Every rule that made the verdict, in the order of the policy files. Never empty for `deny` and `hold`. */
  readonly reasons: readonly Reason[];
  /** Rules that failed to evaluate. Any entry makes the verdict `deny`. */
  readonly errors: readonly Reason[];
  readonly obligations: readonly Obligation[];
  /** Set for `hold`: the narrowest of what the asking policies accept. */
  readonly approver?: Approver;
  /** Digest of the policy set that decided. */
  readonly policies: string;
  /** Absent where no policy on trial held, failed or would have made a difference. */
  readonly trial?: Trial;
}

/** The outcome of deciding what becomes of one result. */
export interface ResultDecision {
  /** `block`: the agent does not see it. */
  readonly verdict: "pass" | "block";
  /** Every rule that blocked. Never empty for `block`. */
  readonly reasons: readonly Reason[];
  /** Rules that failed to evaluate. Any entry makes the verdict `block`. */
  readonly errors: readonly Reason[];
  /** Of the rules that hold: `redact` of the result, `label`, `cap` of its bytes, `notify`. */
  readonly obligations: readonly Obligation[];
  readonly trial?: {
    readonly observed: readonly string[];
    readonly shadow?: { readonly verdict: "pass" | "block"; readonly rules: readonly string[] };
  };
}
