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

/** What the broker must do beside allowing. */
export type Obligation =
  | { readonly kind: "redact"; readonly target: "args" | "result"; readonly path: string; readonly rule: string }
  | { readonly kind: "label"; readonly label: string; readonly rule: string }
  | { readonly kind: "cap"; readonly resultBytes: number; readonly rule: string }
  | { readonly kind: "notify"; readonly channel: string; readonly rule: string }
  | { readonly kind: "rewrite"; readonly path: string; readonly value: unknown; readonly rule: string };

/** Who may answer a held call: an operator out of band, or also the agent's own client. */
export type Approver = "operator" | "client";

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
}
