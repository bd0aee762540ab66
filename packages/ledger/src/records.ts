import { CallgateError, type LedgerRecord, messageOf } from "@callgate/core";
import type { Database } from "better-sqlite3";
import type { Selection } from "./filter.ts";
import type { SearchState } from "./port.ts";
import type { TextQuery } from "./query/text.ts";
import { attachIndex, indexedUpTo } from "./search/attach.ts";
import { textOf, WordCheck } from "./search/words.ts";
import { atMost, type Range, type Row, selectRows, seqsBetween } from "./select.ts";

/** What records are read from. */
export interface Readable {
  readonly db: Database;
  readonly folder: string;
  /** A record's payloads, as far as they can be read. */
  payloadsOf(seq: number): { readonly [name: string]: string };
  /** A row's record; undefined, and told of, if its leaf cannot be read. */
  recordOf(row: Row): LedgerRecord | undefined;
}

/** So many records are compared with a text themselves: no index is needed, and none can be behind. */
const DIRECT = 500;
/** Records that are compared with a text at a time, at most. */
const CHECKED = 50;

/**
 * The records that a selection asks for and `accepts` takes, in the order of their seq and without regard to its limit.
 * Words are looked up in the index, but every record comes from the ledger and is compared again: the index can leave
 * records out, and MUST NOT add any. Throws `LEDGER_NOT_INDEXED` where there is no index for a text.
 */
export function* scanRecords(
  source: Readable,
  selection: Selection,
  accepts: (record: LedgerRecord) => boolean = () => true,
): Generator<LedgerRecord, void> {
  const records = selection.text
    ? checked(source, read(source, withWords(source, selection)), selection.text, Math.min(selection.limit, CHECKED))
    : read(source, selectRows(source.db, selection));
  for (const record of records) if (accepts(record)) yield record;
}

function* read(source: Readable, rows: Iterable<Row>): Generator<LedgerRecord, void> {
  for (const row of rows) {
    const record = source.recordOf(row);
    if (record !== undefined) yield record;
  }
}

/** Those of the records that have the words. So many are compared at a time. */
function* checked(
  source: Readable,
  records: Iterable<LedgerRecord>,
  query: TextQuery,
  many: number,
): Generator<LedgerRecord, void> {
  const check = new WordCheck(query);
  let batch: LedgerRecord[] = [];
  function* matching(): Generator<LedgerRecord, void> {
    const texts = batch.map((record) => textOf(record, source.payloadsOf(record.seq)));
    const accepted = check.accepted(texts);
    yield* batch.filter((_, i) => accepted.has(i));
    batch = [];
  }
  try {
    for (const record of records) if (batch.push(record) === many) yield* matching();
    yield* matching();
  } finally {
    check.close();
  }
}

/**
 * The records that may have the words. Those after the index's end are among them, unless they are too many to read.
 */
function* withWords({ db, folder }: Readable, selection: Selection): Generator<Row, void> {
  const range = seqsBetween(db, selection);
  const find = selection.text?.find;
  const few = range.last - range.first < DIRECT;
  if (few || find === undefined || (selection.choices.length > 0 && atMost(db, selection, range, DIRECT))) {
    yield* selectRows(db, selection, range);
    return;
  }
  if (!attachIndex(db, folder))
    throw new CallgateError("LEDGER_NOT_INDEXED", "there is no index of the words in this ledger", {
      help: "run `callgate ledger index`, or leave fewer records with `session:`, `call:` or `since:`",
    });
  const indexed = indexedUpTo(db);
  const tail: Range = { first: Math.max(range.first, indexed + 1), last: range.last };
  const body: Range = { first: range.first, last: Math.min(range.last, indexed) };
  const words = {
    from: "search.words AS found CROSS JOIN record ON record.seq = found.rowid",
    seq: "found.rowid",
    condition: { sql: "found.words MATCH ?", values: [find] },
  };
  const parts = [
    ...(tail.last < tail.first + DIRECT ? [() => selectRows(db, selection, tail)] : []),
    () => selectRows(db, selection, body, words),
  ];
  try {
    for (const part of selection.order === "desc" ? parts : parts.toReversed()) yield* part();
  } catch (cause) {
    if (!(cause instanceof Error) || !("code" in cause) || cause instanceof CallgateError) throw cause;
    throw new CallgateError("LEDGER_NOT_INDEXED", `the index of words cannot be read: ${messageOf(cause)}`, {
      help: "run `callgate ledger index --rebuild`",
      cause,
    });
  }
}

/** How far an index is, and what that means for a search. */
export function searchState(indexed: number | undefined, head: number): SearchState {
  const behind = head - (indexed ?? 0);
  return { indexed, head, missed: behind > DIRECT ? behind : 0 };
}
