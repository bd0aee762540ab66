import type { Database } from "better-sqlite3";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How old the records of a log are, by a clock that may be wrong. */
export interface Age {
  /** Whether a record is older than was asked for. */
  isOld(seq: number): boolean;
}

/** A change of the clock that was recorded, or the time between two runs. Unix milliseconds. */
interface Jump {
  readonly seq: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Which records are older than so many days. No single wrong reading of the clock MUST make a record old:
 * - once the clock went forward by more than is usual, nothing is old for a day, within which somebody may put it right;
 * - nor is anything where the newest record is of more than a day ago: what the clock says was never recorded;
 * - a record is as old as the least time that was recorded from it on, since it may itself have been made while the clock was ahead;
 *   but times at which the clock was behind, until it was put right, are not counted.
 */
export function ageOf(db: Database, days: number, now: number): Age {
  const wanted = days * DAY_MS;
  const timeOf = db.prepare<[number], number>("SELECT ts FROM record WHERE seq = ?").pluck();
  const newest = db.prepare<[], number>("SELECT ts FROM record ORDER BY seq DESC LIMIT 1").pluck().get();
  const jumps = jumpsIn(db, (seq) => timeOf.get(seq));
  const much = Math.min(DAY_MS, wanted / 10);
  const isDoubtful =
    newest === undefined ||
    now - newest > DAY_MS ||
    jumps.some(({ from, to }) => to - from > much && to <= now && now - to <= DAY_MS);
  if (isDoubtful) return { isOld: () => false };
  const counted = jumps.filter((jump, i) => !isBehind(jump, jumps[i + 1]));
  return {
    isOld(seq) {
      // Between two changes time only grows.
      const later = counted.filter((jump) => jump.seq > seq).map(({ to }) => to);
      const within = jumps.findLast((jump) => jump.seq <= seq);
      const own = within === undefined || counted.includes(within) ? timeOf.get(seq) : undefined;
      const times = [...later, ...(own === undefined ? [] : [own])];
      // One that was made while the clock was behind is not older than what was recorded once it was right.
      return times.length > 0 && now - Math.min(...times) > wanted;
    },
  };
}

/** Whether the clock was behind from a change on, until the next one put it right. */
function isBehind({ from, to }: Jump, next: Jump | undefined): boolean {
  return to < from && next !== undefined && next.to >= from;
}

function jumpsIn(db: Database, timeOf: (seq: number) => number | undefined): readonly Jump[] {
  const rows = db
    .prepare<[], { seq: number; ts: number; kind: string; recovered: number | null; from: string | null }>(
      `SELECT seq, ts, kind, json_extract(leaf, '$.detail.recovered') AS recovered, json_extract(leaf, '$.detail.from') AS "from"
       FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') IN ('clock', 'boot') ORDER BY seq`,
    )
    .all();
  return rows.flatMap(({ seq, ts, kind, recovered, from }): Jump[] => {
    // The outcomes that a run gives to open calls come before its boot record.
    const before = kind === "clock" ? Date.parse(from ?? "") : timeOf(seq - 1 - (recovered ?? 0));
    return before === undefined || Number.isNaN(before) ? [] : [{ seq, from: before, to: ts }];
  });
}
