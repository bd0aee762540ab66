import { parseFilter } from "./filter.ts";
import type { CallFilter, CallScan, PayloadName, RecordedRow } from "./port.ts";
import type { Readable } from "./records.ts";
import { selectRows, seqsBetween } from "./select.ts";

/**
 * How many seqs are gone through at a time. Between two such stretches the file is let go, so that its writer can bring the log of
 * writes to an end.
 */
const CHUNK = 2000;

const CALLS = ["intent", "denial"] as const;
const PAYLOADS: readonly PayloadName[] = ["args", "facts"];

/** The records that a filter selects, oldest first, with their payloads, as `LedgerReader.calls` promises. */
export function scanCalls(
  source: Readable,
  { payloads = PAYLOADS, ...filter }: CallFilter,
  onProgress?: (done: number, total: number) => void,
): CallScan {
  const { db } = source;
  const selection = parseFilter({ ...filter, kind: filter.kind ?? CALLS, order: "asc" });
  const { first, last } = seqsBetween(db, selection);
  const records = Math.max(0, last - first + 1);

  function* rows(): Generator<RecordedRow, void> {
    for (let from = first; from <= last; from += CHUNK) {
      const to = Math.min(from + CHUNK - 1, last);
      for (const row of selectRows(db, selection, { first: from, last: to })) {
        const record = source.recordOf(row);
        if (record === undefined) continue;
        yield { record, payloads: payloads.length === 0 ? {} : only(source.payloadsOf(row.seq), payloads) };
      }
      onProgress?.(to - first + 1, records);
    }
  }
  return { records, [Symbol.iterator]: rows };
}

function only(
  texts: { readonly [name: string]: string },
  names: readonly PayloadName[],
): { readonly [name in PayloadName]?: string } {
  const kept: { [name in PayloadName]?: string } = {};
  for (const name of names) {
    const text = texts[name];
    if (text !== undefined) kept[name] = text;
  }
  return kept;
}
