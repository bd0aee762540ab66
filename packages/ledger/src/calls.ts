import type { LedgerRecord } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { parseFilter } from "./filter.ts";
import type { CallFilter, CallScan, PayloadName, RecordedRow } from "./port.ts";
import { seqsBetween } from "./select.ts";

/**
 * How many seqs one statement goes through. Between two of them the file is let go, so that its writer can bring the log of
 * writes to an end; within one, rows come one by one, so that memory holds one record whatever its arguments weigh.
 */
const CHUNK = 2000;

const CALLS = ["intent", "denial"] as const;
const PAYLOADS: readonly PayloadName[] = ["args", "facts"];

/** The records that a filter selects, oldest first, with their payloads, as `LedgerReader.calls` promises. */
export function scanCalls(
  db: Database,
  { payloads = PAYLOADS, ...filter }: CallFilter,
  onProgress?: (done: number, total: number) => void,
): CallScan {
  const selection = parseFilter({ ...filter, kind: filter.kind ?? CALLS });
  const { first, last } = seqsBetween(db, selection);
  const records = Math.max(0, last - first + 1);
  const conditions = [...selection.conditions, ...selection.choices.map((choice) => choice.condition)];
  const names = [...new Set(payloads)];
  const columns = names.map(() => "(SELECT text FROM payload WHERE payload.seq = record.seq AND name = ?)");
  const values = [...names, ...conditions.flatMap((c) => c.values)];

  function* rows(): Generator<RecordedRow, void> {
    const statement = db
      .prepare<unknown[], [string, ...(string | null)[]]>(
        `SELECT ${["leaf", ...columns].join(", ")} FROM record
         WHERE ${[...conditions.map((c) => c.sql), "seq BETWEEN ? AND ?"].join(" AND ")} ORDER BY seq`,
      )
      .raw();
    for (let from = first; from <= last; from += CHUNK) {
      const to = Math.min(from + CHUNK - 1, last);
      for (const [leaf, ...texts] of statement.iterate(...values, from, to)) {
        const kept: { [name in PayloadName]?: string } = {};
        for (const [i, name] of names.entries()) {
          const text = texts[i];
          if (text !== null && text !== undefined) kept[name] = text;
        }
        yield { record: JSON.parse(leaf) as LedgerRecord, payloads: kept };
      }
      onProgress?.(to - first + 1, records);
    }
  }
  return { records, [Symbol.iterator]: rows };
}
