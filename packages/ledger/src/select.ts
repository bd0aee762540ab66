import type { Database, Statement } from "better-sqlite3";
import type { Choice, Condition, Selection } from "./filter.ts";

/** Most single-value queries that one selection is split into, and most values that are looked at for that. */
const SPLIT = 64;
const VALUES = 1000;

/**
 * The leaves that a selection asks for, in the order of their seq. A choice of values is run value by value, each from its
 * index in the order of seq and each up to the limit, and merged: SQLite would sort all that match before it gives the first.
 */
export function selectLeaves(db: Database, selection: Selection): string[] {
  const { order, limit } = selection;
  const { first, last } = seqsBetween(db, selection);
  const found: { readonly seq: number; readonly leaf: string }[] = [];
  const queries = split(db, selection.choices);
  for (const query of queries) {
    const conditions = [...selection.conditions, ...query, { sql: "seq BETWEEN ? AND ?", values: [first, last] }];
    const rows = db
      .prepare<unknown[], { seq: number; leaf: string }>(
        `SELECT seq, leaf FROM record WHERE ${conditions.map((c) => c.sql).join(" AND ")} ORDER BY seq ${order} LIMIT ?`,
      )
      .all(...conditions.flatMap((c) => c.values), limit);
    found.push(...rows);
  }
  if (queries.length > 1) found.sort((a, b) => (order === "asc" ? a.seq - b.seq : b.seq - a.seq));
  return found.slice(0, limit).map((row) => row.leaf);
}

/** The queries that together say all choices: no record matches two of them. */
function split(db: Database, choices: readonly Choice[]): Condition[][] {
  let queries: Condition[][] = [[]];
  for (const { expression, condition, values = valuesOf(db, expression, condition) } of choices) {
    const whole = values === undefined || queries.length * values.length > SPLIT;
    const parts = whole ? [condition] : values.map((value) => ({ sql: `${expression} = ?`, values: [value] }));
    queries = queries.flatMap((query) => parts.map((part) => [...query, part]));
  }
  return queries;
}

/** The values of an indexed column that its pattern accepts; undefined if the column has too many to look at. */
function valuesOf(db: Database, column: string, pattern: Condition): string[] | undefined {
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
  return values.filter((value) => accepts.get(value, ...pattern.values) === 1);
}

interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * The seqs that a selection by time can lie between, so that time needs no index. Time only grows between two `clock`
 * records, so the bounds of each such stretch are found by halving. MUST NOT leave out a record that is selected: where the
 * file is not as a writer left it, everything is looked at.
 */
export function seqsBetween(db: Database, { since, until, after }: Selection): Range {
  const head = db.prepare<[], number | null>("SELECT max(seq) FROM record").pluck().get() ?? 0;
  const all = { first: after + 1, last: head };
  if ((since === undefined && until === undefined) || head === 0) return all;

  const backs = db
    .prepare<[], number>(
      "SELECT seq FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'clock' ORDER BY seq LIMIT 1000",
    )
    .pluck()
    .all();
  if (backs.length === 1000) return all;

  const timeOf = db.prepare<[number], number>("SELECT ts FROM record WHERE seq = ?").pluck();
  const starts = [1, ...backs];
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
  return { first: Math.max(first === Number.POSITIVE_INFINITY ? head + 1 : first, after + 1), last };
}

/** The first seq from `low` to `high` whose time is at least `at`, else `high + 1`; undefined if a record is missing. */
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
