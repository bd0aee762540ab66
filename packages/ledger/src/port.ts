import type { CallgateError, LedgerRecord, RecordDraft } from "@callgate/core";
import type { AnchorState } from "./anchor/anchoring.ts";
import type { AnchorTarget } from "./anchor/open.ts";
import type { FileKey } from "./file-key.ts";
import type { Keep } from "./keeping.ts";
import type { Patience } from "./patience.ts";
import type { Term } from "./query/term.ts";
import type { SignatureKind } from "./store.ts";

/** How to open a ledger for writing. */
export interface LedgerOptions {
  /** The data folder; the ledger is `<folder>/ledger.db`. Made if missing. */
  readonly folder: string;
  /** `full` (default): a resolved `append` has been fsynced. `off`: no fsync at all; for measurements only. */
  readonly sync?: "full" | "off";
  /** Keep arguments and results beside the leaves (default true). Digests are kept in either case. */
  readonly payloads?: boolean;
  /** Encrypt all files of the folder with this key; without one they MUST be plain. */
  readonly fileKey?: FileKey;
  /** What checkpoints are signed with, Ed25519 always (default: with ML-DSA-44 too if the ledger has a key of it). */
  readonly signatures?: readonly SignatureKind[];
  /** Facts for the boot record: versions, configuration digest. MUST NOT hold secrets. */
  readonly boot?: { readonly [key: string]: unknown };
  /** Where checkpoints are kept outside the folder. At the start each MUST agree with the ledger. */
  readonly anchors?: readonly AnchorTarget[];
  /** Called when an anchor did not take a checkpoint, and again only after it took one. */
  readonly onAnchorError?: (anchor: AnchorState) => void;
  /** Seal the records as a segment whenever there are so many since the last seal. */
  readonly segment?: number;
  /** For how long sealed segments stay; without it for ever. */
  readonly keep?: Keep;
  /** Called when a segment could not be taken out; it stays, and is tried again. */
  readonly onKeepError?: (error: Error) => void;
  /** Other waits than those that are usual; for tests. */
  readonly patience?: Partial<Patience>;
  /** Called once if the writer fails; every later append is refused with `LEDGER_FAILED`. */
  readonly onFailure?: (error: Error) => void;
}

/** The writing face: one per data folder, held by the broker. */
export interface Ledger {
  /** The log's id, made with the file and kept for ever. */
  readonly log: string;
  /** The id of this run. */
  readonly boot: string;
  /** Intents of earlier runs that had no outcome; each has been given one with status `unknown`. */
  readonly recovered: number;
  /**
   * Appends and resolves with the record's seq once it is durable. MUST NOT resolve before. Rejects with `LEDGER_FAILED`,
   * with `LEDGER_ANCHOR_BEHIND` for an intent while an anchor is behind by more than its `lag`, or with `LEDGER_BUSY` if another program holds the file of the payloads' keys: then nothing was written, and a later append may do.
   */
  append(draft: RecordDraft): Promise<number>;
  /**
   * Appends with the next commit, which it does not hasten: at most a few milliseconds later. Returns the seq, which is
   * another one if records before it are refused with `LEDGER_BUSY`.
   */
  appendLater(draft: RecordDraft): number;
  /** Why an intent would be refused now, with `LEDGER_ANCHOR_BEHIND`, `LEDGER_FAILED` or `LEDGER_CLOSED`; undefined if it would be taken. */
  refusal(): CallgateError | undefined;
  /** How each anchor stands. `lag` is how many durable records it has not seen. */
  anchors(): readonly (AnchorState & { readonly lag: number })[];
  /**
   * Closes a segment: appends a seal of all durable records since the one before. Resolves with the seal's seq once it is durable,
   * or with undefined if there is nothing to seal. Rejects with `LEDGER_FAILED`.
   */
  seal(): Promise<number | undefined>;
  /** Commits what waits, gives the anchors the newest checkpoint, ends the writer, gives up the lease. */
  close(): Promise<void>;
}

/** What `query` selects; all given fields must match. `tool` and `agent` may hold `*` and `?`. */
export interface LedgerFilter {
  readonly kind?: readonly string[];
  readonly agent?: string;
  readonly session?: string;
  readonly call?: string;
  readonly tool?: string;
  readonly verdict?: string;
  readonly status?: string;
  /** ISO 8601, inclusive. */
  readonly since?: string;
  readonly until?: string;
  /** Only records after this seq. */
  readonly after?: number;
  /** Only records before this seq. */
  readonly before?: number;
  /** More conditions: see `parseQuery`. */
  readonly terms?: readonly Term[];
  /** Newest first (default) or oldest first. */
  readonly order?: "asc" | "desc";
  /** At most this many, 1 to 10,000; default 50. */
  readonly limit?: number;
}

/** A JSON text that is kept beside a leaf. */
export type PayloadName = keyof NonNullable<RecordDraft["payloads"]>;

/** What `calls` goes through: all given fields must match. */
export interface CallFilter
  extends Pick<LedgerFilter, "kind" | "agent" | "session" | "tool" | "since" | "until" | "after"> {
  /** Which payloads come with each record; default `args` and `facts`. */
  readonly payloads?: readonly PayloadName[];
}

/** A record with those of its payloads that were asked for and kept. */
export interface RecordedRow {
  readonly record: LedgerRecord;
  readonly payloads: { readonly [name in PayloadName]?: string };
}

/** Records one after another. Each iteration goes through the file anew. */
export interface CallScan extends Iterable<RecordedRow> {
  /** How many records it goes through to find those that match. */
  readonly records: number;
}

/** One thing that verification found wrong, at the first record it shows on. */
export interface Finding {
  readonly seq: number;
  readonly problem: string;
}

/** What verification saw. */
export interface Verification {
  readonly ok: boolean;
  readonly records: number;
  /** Hash of the newest leaf. */
  readonly head: string;
  readonly findings: readonly Finding[];
}

/** A record with all that is known of it. */
export interface ShownRecord {
  readonly record: LedgerRecord;
  /** Its exact text. */
  readonly leaf: string;
  /** `sha256:<hex>` of its place in the tree. */
  readonly hash: string;
  readonly payloads: { readonly [name: string]: string };
  /** Payloads that nobody can read any more, because their key is gone. */
  readonly shredded: readonly string[];
}

/** RFC 6962: the hashes beside the way from a leaf to the root, from the leaf up. */
export interface InclusionProof {
  readonly index: number;
  readonly size: number;
  readonly root: Buffer;
  readonly hashes: readonly Buffer[];
}

/** RFC 6962: the hashes that show a tree to go on from an older one. */
export interface ConsistencyProof {
  readonly old: number;
  readonly size: number;
  readonly root: Buffer;
  readonly hashes: readonly Buffer[];
}

/** How far the index of words is. */
export interface SearchState {
  /** The newest record that it has looked at; undefined if there is no index. */
  readonly indexed: number | undefined;
  /** The newest record. */
  readonly head: number;
  /** How many of the newest records a search leaves out for it. Fewer than some hundred are read themselves. */
  readonly missed: number;
}

/**
 * The reading face; opens the file read-only and may run beside a broker. Records whose leaf cannot be read, because somebody edited it,
 * are left out of every answer but `show`'s, and whoever opened the reader is told of them.
 */
export interface LedgerReader {
  readonly log: string;
  /** The records that match, up to the filter's limit, in the order of their seq. Throws as `records` does. */
  query(filter: LedgerFilter): readonly LedgerRecord[];
  /**
   * All records that match and that `accepts` takes, one after another, whatever the filter's limit, which is only how
   * many are fetched at first. Words are looked up in the index where there are many records to look at; every record
   * comes from the ledger all the same and is compared again. Throws `LEDGER_FILTER_INVALID`, or `LEDGER_NOT_INDEXED`
   * if an index is needed and there is none.
   */
  records(filter: LedgerFilter, accepts?: (record: LedgerRecord) => boolean): Iterable<LedgerRecord>;
  /**
   * The calls that match, oldest first, up to the newest record of this moment: of the kinds `intent` and `denial` unless `kind` says
   * otherwise. MUST NOT hold more than some thousand records at a time, nor the file while it gives them out, so that the writer
   * beside it goes on. Calls `onProgress` now and then with the number of records gone through. Throws `LEDGER_FILTER_INVALID`.
   */
  calls(filter: CallFilter, onProgress?: (done: number, total: number) => void): CallScan;
  searchState(): SearchState;
  /** One record; undefined where there is none. Throws `LEDGER_UNREADABLE` if its leaf cannot be read. */
  show(seq: number): ShownRecord | undefined;
  /** The newest signed checkpoint, or the first one over at least `size` records; undefined if there is none. */
  checkpoint(size?: number): { readonly size: number; readonly note: string } | undefined;
  /** The oldest record that was not archived; 1 where there is none. */
  oldest(): number;
  /** That a record is in the tree of `size` records, all of them if not given. Throws `LEDGER_PROOF_INVALID`. */
  prove(seq: number, size?: number): InclusionProof;
  /** That the tree of `size` records goes on from that of the first `old` ones. Throws `LEDGER_PROOF_INVALID`. */
  proveConsistency(old: number, size?: number): ConsistencyProof;
  /**
   * Checks every leaf's hash, the chain, gaps, indexed columns, payload digests and checkpoints' roots. Calls
   * `onProgress` now and then. It is the ledger's check of itself: whoever does not trust the ledger uses
   * `callgate-verify`.
   */
  verify(onProgress?: (done: number, total: number) => void): Verification;
  close(): void;
}
