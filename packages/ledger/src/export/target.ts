import type { LedgerRecord } from "@callgate/core";
import type { Payloads } from "./jsonl.ts";

/** A record on its way out; with payloads only where they were asked for and can be read. */
export interface OutgoingRecord {
  readonly record: LedgerRecord;
  readonly payloads?: Payloads;
}

/** Where records are exported to. */
export interface ExportTarget {
  /**
   * Takes records in the order of their seq. MUST NOT resolve before the target has them as surely as it can; rejects if it does not. A file that failed
   * takes no more; what is beyond the network may be given the same records again.
   */
  put(records: readonly OutgoingRecord[]): Promise<void>;
  /** Bytes that a file holds; what is behind them was not finished. Undefined for what is no file. */
  readonly bytes: number | undefined;
  close(): Promise<void>;
}
