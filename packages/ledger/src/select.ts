import type { Database, Statement } from "better-sqlite3";
import type { Choice, Condition, Selection } from "./filter.ts";

/** Most single-value queries that one selection is split into, and most values that are looked at for that. */
const SPLIT = 64;
const VALUES = 1000;
/** Records that one statement looks at where no index leads to them, so that it does not hold the file for long. */
const WINDOW = 50_000;
const PAGE = 1000;

export interface Row {
  readonly seq: number;
  readonly leaf: string;
}

/** What a statement reads from, and how its records are ordered; beside the ledger itself, the index of words. */
export interface Source {
  readonly from: string;
  readonly seq: string;
  readonly condition?: Condition;
}

const RECORDS: Source = { from: "record", seq: "seq" };

/**
 * The records that a selection asks for, one after another in the order of their seq, without regard to its text and
 * its limit. A choice of values is run value by value, each from its index in the order of seq, and merged: SQLite
 * would sort all that match before it gives the first. Between two pages the file is let go.
 */
export function* selectRows(
  db: Database,
  selection: Selection,
  range: Range = seqsBetween(db, selection),
  source?: Source,
): Generator<Row, void> {
  const { order, limit } = selection;
  const back = order === "desc";
  const queries = source ? [selection.choices.map((choice) => choice.condition)] : split(db, selection.choices);
  const { from, seq, condition } = source ?? RECORDS;
  const statements = queries.map((query) => {
    const conditions = [...(condition ? [condition] : []), ...selection.conditions, ...query];
    const where = [...conditions.map((c) => c.sql), `${seq} BETWEEN ? AND ?`].join(" AND ");
    return {
      values: conditions.flatMap((c) => c.values),
      statement: db.prepare<unknown[], Row>(
        `SELECT seq, leaf FROM ${from} WHERE ${where} ORDER BY ${seq} ${order} LIMIT ?`,
      ),
    };
  });
  const scanned = selection.through === undefined && source === undefined && selection.conditions.length > 0;
  const window = scanned ? WINDOW : Number.MAX_SAFE_INTEGER;
  let { first, last } = range;
  let page = Math.min(limit, PAGE);
  while (first <= last) {
    const [low, high] = back ? [Math.max(first, last - window + 1), last] : [first, Math.min(last, first + window - 1)];
    const found = statements.flatMap(({ statement, values }) => statement.all(...values, low, high, page));
    if (statements.length > 1) found.sort((a, b) => (back ? b.seq - a.seq : a.seq - b.seq));
    const rows = found.slice(0, page);
    yield* rows;
    const end = rows.length < page ? undefined : (rows.at(-1) as Row).seq;
    if (back) last = (end ?? low) - 1;
    else first = (end ?? high) + 1;
    page = Math.min(page * 2, PAGE);
  }
}

/** Whether a selection leaves at most so many records, found out without looking at more. */
export function atMost(db: Database, selection: Selection, range: Range, count: number): boolean {
  let seen = 0;
  for (const query of split(db, selection.choices)) {
    const conditions = [...query, { sql: "seq BETWEEN ? AND ?", values: [range.first, range.last] }];
    seen += db
      .prepare<unknown[], number>(
        `SELECT count(*) FROM (SELECT 1 FROM record WHERE ${conditions.map((c) => c.sql).join(" AND ")} LIMIT ?)`,
      )
      .pluck()
      .get(...conditions.flatMap((c) => c.values), count + 1) as number;
    if (seen > count) return false;
  }
  return true;
}

/** The queries that together say all choices: no record matches two of them. */
function split(db: Database, choices: readonly Choice[]): Condition[][] {
  let queries: Condition[][] = [[]];
  for (const choice of choices) {
    const { expression, condition } = choice;
    const values = valuesOf(db, choice);
    const whole = values === undefined || queries.length * values.length > SPLIT;
    const parts = whole ? [condition] : values.map((value) => ({ sql: `${expression} = ?`, values: [value] }));
    queries = queries.flatMap((query) => parts.map((part) => [...query, part]));
  }
  return queries;
}

/** The values of an indexed column that a choice accepts; undefined if the column has too many to look at. */
function valuesOf(db: Database, { expression: column, exact, patterns }: Choice): readonly string[] | undefined {
  if (patterns.length === 0) return exact;
  const values = db
    .prepare<[], string>(
      `WITH RECURSIVE each (value) AS (
         SELECT min(${column}) FROM record WHERE ${column} IS NOT NULL
         UNION ALL
         SELECT (SELECT min(${column}) FROM record WHERE ${column} > each.value) FROM each WHERE each.value IS NOT NULL
       ) SELECT value FROM each WHERE value IS NOT NULL LIMIT ${VALUES}`,
    )
    .pluck()
    .all();
  if (values.length === VALUES) return undefined;
  const accepts = db.prepare<unknown[], number>("SELECT ? GLOB ?").pluck();
  return values.filter((value) => exact.includes(value) || patterns.some((p) => accepts.get(value, p) === 1));
}

/** Seqs, inclusive. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * The seqs that a selection by time can lie between, so that time needs no index. Time only grows between two `clock`
 * records, so the bounds of each such stretch are found by halving. MUST NOT leave out a record that is selected: where the
 * file is not as a writer left it, everything is looked at.
 */
export function seqsBetween(db: Database, { since, until, after, before }: Selection): Range {
  const [oldest, head] = db
    .prepare<[], [number | null, number | null]>("SELECT (SELECT min(seq) FROM record), (SELECT max(seq) FROM record)")
    .raw()
    .get() as [number | null, number | null];
  const all = { first: Math.max(after + 1, oldest ?? 1), last: Math.min(head ?? 0, before - 1) };
  if ((since === undefined && until === undefined) || head === null || oldest === null) return all;

  const backs = db
    .prepare<[], number>(
      "SELECT seq FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'clock' ORDER BY seq LIMIT 1000",
    )
    .pluck()
    .all();
  if (backs.length === 1000) return all;

  const timeOf = db.prepare<[number], number>("SELECT ts FROM record WHERE seq = ?").pluck();
  const starts = [oldest, ...backs];
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const [i, start] of starts.entries()) {
    const end = (starts[i + 1] ?? head + 1) - 1;
    const from = since === undefined ? start : firstAt(timeOf, start, end, since);
    const to = until === undefined ? end + 1 : firstAt(timeOf, start, end, until + 1);
    if (from === undefined || to === undefined) return all;
    if (from >= to) continue;
    first = Math.min(first, from);
    last = Math.max(last, to - 1);
  }
  return { first: Math.max(Math.min(first, head + 1), all.first), last: Math.min(last, all.last) };
}

/**
 * The first seq from `low` to `high` whose time is at least `at`, else `high + 1`; undefined if a record is missing.
 */
function firstAt(timeOf: Statement<[number], number>, low: number, high: number, at: number): number | undefined {
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const time = timeOf.get(middle);
    if (time === undefined) return undefined;
    if (time >= at) high = middle - 1;
    else low = middle + 1;
  }
  return low;
}
