import type { Database } from "better-sqlite3";
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
