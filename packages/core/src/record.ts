import type { Digest } from "./canonical.ts";
import type { Verdict } from "./decision.ts";

/** What a record is about. */
export const RECORD_KINDS = [
  "boot",
  "config",
  "session",
  "intent",
  "outcome",
  "denial",
  "approval",
  "callback",
  "recovery",
  "clock",
  "seal",
] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** How a call ended. `unknown`: the broker stopped before it knew. */
export type OutcomeStatus = "ok" | "error" | "cancelled" | "timeout" | "input_required" | "unknown";

/** What a caller of `append` gives; the ledger adds v, log, seq, prev, boot, ts and mono. */
export interface RecordDraft {
  readonly kind: RecordKind;
  readonly agent?: string;
  /** The user that the agent acts for. */
  readonly user?: string;
  readonly session?: string;
  readonly call?: string;
  /** The call that caused this one: a retry's first round, or a script's own call. */
  readonly parent?: string;
  /** W3C trace id, 32 hex digits. */
  readonly trace?: string;
  readonly tool?: { readonly server: string; readonly name: string; readonly digest: Digest };
  readonly decision?: {
    readonly verdict: Verdict;
    readonly rules: readonly string[];
    readonly policies: string;
    readonly approver?: string;
  };
  /** Digest of the canonical arguments. It is not stored as it is: see `LedgerRecord`. */
  readonly args?: Digest;
  /** Digest of the result's bytes as the agent got them. */
  readonly result?: Digest;
  readonly status?: OutcomeStatus;
  readonly error?: { readonly code: string; readonly message: string };
  /** Milliseconds the upstream took, for an outcome. */
  readonly ms?: number;
  /** Small, kind-specific facts; under 4 KiB as JSON. */
  readonly detail?: { readonly [key: string]: unknown };
  /** JSON texts kept beside the leaf, encrypted; the leaf refers to each by the digest of that (`args`, `result`, `detail.facts`). */
  readonly payloads?: { readonly args?: string; readonly result?: string; readonly facts?: string };
}

/**
 * What a stored record says in place of a digest: that of an encrypted payload beside it, or a keyed one, which says nothing to
 * whoever has not the key.
 */
export type RecordDigest = Digest | `hmac-sha256:${string}`;

/** A record as it is stored and read back: the parsed leaf. */
export interface LedgerRecord extends Omit<RecordDraft, "payloads" | "args" | "result"> {
  readonly v: 2;
  readonly args?: RecordDigest;
  readonly result?: RecordDigest;
  /** The log's id. */
  readonly log: string;
  /** From 1, without gaps. */
  readonly seq: number;
  /** Hash of the leaf before, `sha256:` and 64 hex digits; all zeros for the first. */
  readonly prev: Digest;
  /** Id of the broker's run. */
  readonly boot: string;
  /** ISO 8601 UTC with milliseconds. */
  readonly ts: string;
  /** Microseconds since the run began, from the monotonic clock. */
  readonly mono: number;
}
