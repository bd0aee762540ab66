import { CallgateError } from "@callgate/core";
import type { LedgerReader, ShownRecord } from "../port.ts";
import { openReader } from "../reader.ts";
import { type Entry, hasIndex, IndexFile } from "./index-file.ts";
import { textOf } from "./words.ts";

/** Records that go into the index with one commit, and of which one reader's look at the ledger tells. */
const BATCH = 500;

/** How far the index is. */
export interface Filled {
  readonly indexed: number;
  /** The newest record. */
  readonly head: number;
}

/** Brings a folder's index up to its ledger, batch by batch: each `step` adds one and says how far it is. */
export interface Filling {
  step(): Filled;
  close(): void;
}

/** Opens a ledger and its index to fill it. With `rebuild` the index starts anew. Throws what `openReader` throws. */
export function openFilling(folder: string, { rebuild = false }: { readonly rebuild?: boolean } = {}): Filling {
  const reader = openReader(folder);
  try {
    const index = IndexFile.open(folder, reader.log);
    if (rebuild) index.clear();
    return {
      step() {
        let from = index.indexed;
        // A checkpoint is written with the newest record, which itself may be one that cannot be read.
        const head = reader.checkpoint()?.size ?? 0;
        if (from > head) {
          // The ledger is an older copy of what was indexed.
          index.clear();
          from = 0;
        }
        // What was taken out of the ledger is not to be left here.
        index.forgetBefore(reader.oldest());
        const to = Math.min(head, from + BATCH);
        const entries: Entry[] = [];
        for (let seq = from + 1; seq <= to; seq++) {
          const shown = readable(reader, seq);
          if (shown) entries.push({ seq, session: shown.record.session, text: textOf(shown.record, shown.payloads) });
        }
        if (to > from) index.add(entries, from, to);
        return { indexed: index.indexed, head };
      },
      close() {
        index.close();
        reader.close();
      },
    };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** A record; undefined where there is none or its leaf cannot be read, which is nothing to stop an index for. */
function readable(reader: LedgerReader, seq: number): ShownRecord | undefined {
  try {
    return reader.show(seq);
  } catch (error) {
    if (error instanceof CallgateError && error.code === "LEDGER_UNREADABLE") return undefined;
    throw error;
  }
}

/**
 * Takes a session's words out of a folder's index, and keeps out what an indexer has read of it by now. Its key MUST be
 * gone before, or the index may get them again when it is rebuilt. Without an index there is nothing to do.
 * Throws `LEDGER_INDEX_BUSY` as `IndexFile.forget` does.
 */
export function forgetSession(folder: string, session: string): void {
  if (!hasIndex(folder)) return;
  const reader = openReader(folder);
  try {
    const index = IndexFile.open(folder, reader.log);
    try {
      index.forget(session);
    } finally {
      index.close();
    }
  } finally {
    reader.close();
  }
}
