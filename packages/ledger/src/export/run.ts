import { setTimeout as pause } from "node:timers/promises";
import { CallgateError, type LedgerRecord } from "@callgate/core";
import type { LedgerFilter, LedgerReader } from "../port.ts";
import type { ExportCursor } from "./cursor.ts";
import type { ExportTarget, OutgoingRecord } from "./target.ts";

/** What is exported, and for how long. */
export interface ExportRun {
  readonly filter: LedgerFilter;
  readonly accepts?: (record: LedgerRecord) => boolean;
  readonly payloads: boolean;
  /** Go on with new records as they come, until `signal` says so. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** How far it is: seqs. */
  readonly onProgress?: (seq: number, head: number) => void;
  /** A target beyond the network did not take records; they are tried again after so many milliseconds. Only where records are followed. */
  readonly onRetry?: (error: unknown, milliseconds: number) => void;
}

/** What an export did. */
export interface Exported {
  readonly records: number;
  /** Everything up to here is at the target. */
  readonly seq: number;
}

const BATCH_RECORDS = 500;
/** A batch takes no further record once it holds this many characters of payloads. */
const BATCH_TEXT = 4 * 1024 * 1024;
const POLL_MS = 250;
const RETRY_MS = { first: 1000, longest: 30_000 } as const;

/**
 * Sends the records after the cursor to the target in the order of their seq, and moves the cursor after each batch that the target has. With a file each
 * record is there exactly once, whenever the process ends; beyond the network a batch whose answer was lost comes again.
 */
export async function runExport(
  reader: LedgerReader,
  target: ExportTarget,
  cursor: ExportCursor,
  run: ExportRun,
): Promise<Exported> {
  let seq = cursor.place?.seq ?? 0;
  let count = 0;
  const advance = (to: number): void => {
    seq = to;
    cursor.save({ seq, ...(target.bytes !== undefined && { bytes: target.bytes }) });
  };
  for (;;) {
    const { head } = reader.searchState();
    if (head < seq) throw cutOff(cursor.path, seq, head);
    for (const batch of batches(reader, run, seq, head)) {
      if (!(await deliver(target, batch, run))) return { records: count, seq };
      count += batch.length;
      advance((batch.at(-1) as OutgoingRecord).record.seq);
      run.onProgress?.(seq, head);
      if (run.signal.aborted) return { records: count, seq };
    }
    // What the filter left out is done with too.
    if (seq < head) advance(head);
    if (!run.follow || run.signal.aborted) return { records: count, seq };
    await pause(POLL_MS, undefined, { signal: run.signal }).catch(() => undefined);
    if (run.signal.aborted) return { records: count, seq };
  }
}

/** What is to be said of a ledger that ends before what was exported of it. */
export function cutOff(cursor: string, seq: number, head: number): CallgateError {
  return new CallgateError(
    "EXPORT_CURSOR",
    `the ledger ends at record ${head}, and record ${seq} was exported: it was cut off or rolled back`,
    { help: `run \`callgate ledger verify\`; the cursor is \`${cursor}\`` },
  );
}

function* batches(
  reader: LedgerReader,
  { filter, accepts, payloads }: ExportRun,
  after: number,
  head: number,
): Generator<readonly OutgoingRecord[], void> {
  if (after >= head) return;
  let batch: OutgoingRecord[] = [];
  let size = 0;
  for (const record of reader.records({ ...filter, after, before: head + 1, order: "asc" }, accepts)) {
    const kept = payloads ? (reader.show(record.seq)?.payloads ?? {}) : undefined;
    batch.push(kept === undefined ? { record } : { record, payloads: kept });
    for (const text of Object.values(kept ?? {})) size += text.length;
    if (batch.length < BATCH_RECORDS && size < BATCH_TEXT) continue;
    yield batch;
    batch = [];
    size = 0;
  }
  if (batch.length > 0) yield batch;
}

/** True once the target has the batch; false if the run was ended while it did not take it. */
async function deliver(target: ExportTarget, batch: readonly OutgoingRecord[], run: ExportRun): Promise<boolean> {
  for (let wait: number = RETRY_MS.first; ; wait = Math.min(wait * 2, RETRY_MS.longest)) {
    try {
      await target.put(batch);
      return true;
    } catch (error) {
      if (!run.follow || target.bytes !== undefined) throw error;
      if (run.signal.aborted) return false;
      run.onRetry?.(error, wait);
      await pause(wait, undefined, { signal: run.signal }).catch(() => undefined);
      if (run.signal.aborted) return false;
    }
  }
}
