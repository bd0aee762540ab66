import type { Span } from "@callgate/core";

/** How bad a finding is: `error`, a policy that can never do what it says; `warning`, one that likely does not say what is meant. */
export type Severity = "error" | "warning" | "info";

/** What a finding is about. */
export type FindingCode =
  /** What loading warns of. */
  | "check"
  | "never-true"
  | "never-false"
  | "always-fails"
  | "no-such-tool-now"
  | "speaks-to-nobody"
  | "overruled"
  | "shadowed"
  | "same-condition"
  | "repeated-glob"
  | "too-broad"
  | "on-trial";

/** One thing that is odd about a policy. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  /** The policy's id; absent for what loading found. */
  readonly rule?: string;
  readonly message: string;
  readonly span: Span;
  readonly help?: string;
}
