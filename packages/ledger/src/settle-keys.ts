import type { Database } from "better-sqlite3";
import type { ArchivedSegment } from "./archive.ts";
import type { PayloadKeys } from "./payload-keys.ts";

/**
 * What is to become of keys when segments are about to be taken out. Those of sessions whose last records are deleted go, for nothing
 * is left that they open. A session that has records in an archived segment keeps its key, so that they can be read.
 */
export function settleKeys(db: Database, keys: PayloadKeys, segments: readonly ArchivedSegment[]): void {
  const last = Math.max(...segments.map((segment) => segment.to));
  const sessionsIn = db
    .prepare<[number, number], string>(
      "SELECT DISTINCT session FROM record WHERE seq BETWEEN ? AND ? AND session IS NOT NULL",
    )
    .pluck();
  const goesOn = db.prepare<[string, number], number>("SELECT 1 FROM record WHERE session = ? AND seq > ? LIMIT 1");
  for (const { from, to, deleted } of segments) if (deleted !== true) keys.keepArchived(sessionsIn.all(from, to));
  const gone = segments
    .filter(({ deleted }) => deleted === true)
    .flatMap(({ from, to }) => sessionsIn.all(from, to))
    .filter((session) => goesOn.get(session, last) === undefined);
  keys.drop(new Set(gone));
}
