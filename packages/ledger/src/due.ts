import type { Database } from "better-sqlite3";
import { ageOf } from "./age.ts";
import type { Keep } from "./keeping.ts";
import { type Seal, sealsIn } from "./seal.ts";

/**
 * The sealed segments that are in the ledger and need not stay, oldest first. One with a call that is still open MUST stay: its outcome
 * would have nothing to be the outcome of, and if this run ends before there is one, nobody would know of the call.
 */
export function dueSegments(db: Database, { days, records }: Keep, now: number): readonly Seal[] {
  const [least, most] = db
    .prepare<[], [number | null, number | null]>("SELECT min(seq), max(seq) FROM record")
    .raw()
    .get() ?? [null, null];
  if (least === null || most === null) return [];
  const age = days === undefined ? undefined : ageOf(db, days, now);
  const due: Seal[] = [];
  for (const seal of sealsIn(db)) {
    if (seal.from < least) continue;
    const old = age === undefined || age.isOld(seal.to);
    const far = records === undefined || most - seal.to >= records;
    // Segments go from the beginning of the log on.
    if (!old || !far || hasOpenCall(db, seal)) break;
    due.push(seal);
  }
  return due;
}

/** What earlier runs left open got its outcome when this one began: only what came after that can be open. */
function hasOpenCall(db: Database, { from, to }: Seal): boolean {
  return (
    db
      .prepare(
        `SELECT 1 FROM record AS i
         WHERE seq BETWEEN max(?, coalesce((SELECT max(seq) FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'boot'), 0)) AND ?
           AND kind = 'intent' AND call IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM record AS o WHERE o.call = i.call AND o.kind = 'outcome')
         LIMIT 1`,
      )
      .get(from, to) !== undefined
  );
}
