import type { LedgerRecord, RecordDraft } from "@callgate/core";

/** How to open a ledger for writing. */
export interface LedgerOptions {
  /** The data folder; the ledger is `<folder>/ledger.db`. Made if missing. */
  readonly folder: string;
  /** `full` (default): a resolved `append` has been fsynced. `off`: no fsync at all; for measurements only. */
  readonly sync?: "full" | "off";
  /** Keep arguments and results beside the leaves (default true). Digests are kept in either case. */
  readonly payloads?: boolean;
  /** Facts for the boot record: versions, configuration digest. MUST NOT hold secrets. */
  readonly boot?: { readonly [key: string]: unknown };
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
  /** Appends and resolves with the record's seq once it is durable. MUST NOT resolve before. Rejects with `LEDGER_FAILED`. */
  append(draft: RecordDraft): Promise<number>;
  /** Appends with the next commit, which it does not hasten: at most a few milliseconds later. Returns the seq. */
  appendLater(draft: RecordDraft): number;
  /** Commits what waits, ends the writer, gives up the lease. */
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

/** The reading face; opens the file read-only and may run beside a broker. */
export interface LedgerReader {
  readonly log: string;
  query(filter: LedgerFilter): readonly LedgerRecord[];
  /** One record with its leaf's exact text, its hash and its payloads; undefined where there is none. */
  show(
    seq: number,
  ): { record: LedgerRecord; leaf: string; hash: string; payloads: { [name: string]: string } } | undefined;
  /**
   * The calls that match, oldest first, up to the newest record of this moment: of the kinds `intent` and `denial` unless `kind` says
   * otherwise. MUST NOT hold more than one record at a time, nor the file for longer than some thousand records, so that the writer
   * beside it goes on. Calls `onProgress` now and then with the number of records gone through. Throws `LEDGER_FILTER_INVALID`.
   */
  calls(filter: CallFilter, onProgress?: (done: number, total: number) => void): CallScan;
  /** Checks every leaf's hash, the chain, gaps, indexed columns and payload digests. Calls `onProgress` now and then. */
  verify(onProgress?: (done: number, total: number) => void): Verification;
  close(): void;
}
