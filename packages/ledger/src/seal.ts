import type { Database } from "better-sqlite3";
import type { Keep } from "./keeping.ts";
import type { Tree } from "./merkle.ts";

/** What a seal record says in its `detail`: that the records `from` to `to` are one segment, and what the tree was at its end. */
export interface Seal {
  /** From 1. */
  readonly segment: number;
  readonly from: number;
  readonly to: number;
  /** Base64, as in a checkpoint. */
  readonly root: string;
  /** Equal to `to`. */
  readonly size: number;
}

/** All seals, oldest first. */
export function sealsIn(db: Database): readonly Seal[] {
  return db
    .prepare<[], string>(`${SEALS} ORDER BY seq`)
    .pluck()
    .all()
    .map((leaf) => (JSON.parse(leaf) as { detail: Seal }).detail);
}

export function lastSeal(db: Database): Seal | undefined {
  const leaf = db.prepare<[], string>(`${SEALS} ORDER BY seq DESC LIMIT 1`).pluck().get();
  return leaf === undefined ? undefined : (JSON.parse(leaf) as { detail: Seal }).detail;
}

const SEALS = "SELECT leaf FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'seal'";

/** The seal of all durable records since the one before; undefined if there are none. */
export function nextSeal(db: Database, tree: Tree): Seal | undefined {
  const last = lastSeal(db);
  const from = (last?.to ?? 0) + 1;
  if (tree.size < from) return undefined;
  return {
    segment: (last?.segment ?? 0) + 1,
    from,
    to: tree.size,
    root: tree.root().toString("base64"),
    size: tree.size,
  };
}

/** The sealed segments that are in the ledger and need not stay, oldest first. */
export function dueSegments(db: Database, { days, records }: Keep, now: number): readonly Seal[] {
  const [least, most] = db
    .prepare<[], [number | null, number | null]>("SELECT min(seq), max(seq) FROM record")
    .raw()
    .get() ?? [null, null];
  if (least === null || most === null) return [];
  const time = db.prepare<[number], number>("SELECT ts FROM record WHERE seq = ?").pluck();
  const due: Seal[] = [];
  for (const seal of sealsIn(db)) {
    if (seal.from < least) continue;
    const old = days === undefined || now - (time.get(seal.to) ?? now) > days * 86_400_000;
    const far = records === undefined || most - seal.to >= records;
    // Segments go from the beginning of the log on.
    if (!old || !far) break;
    due.push(seal);
  }
  return due;
}
