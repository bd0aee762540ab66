import type { Database } from "./database.ts";
import { parseSeals } from "./seal.ts";

/** What a check of a ledger starts from, read in one moment: a broker may go on writing meanwhile. */
export interface Snapshot {
  readonly schema: readonly SchemaRow[];
  /** Seqs of records; both 0 if there are none. */
  readonly least: number;
  readonly most: number;
  readonly count: number;
  /** The newest checkpoint's size; 0 if there is none. */
  readonly newestCheckpoint: number;
  /** Its note. */
  readonly newestNote: unknown;
  readonly tiles: readonly TileRow[];
  /** Sizes at which records that call themselves seals were made: none of them was looked at yet. */
  readonly sealedSizes: readonly number[];
  /** Payloads of records beyond the newest or before the first. */
  readonly strays: readonly number[];
}

export type SchemaRow = readonly [type: string, name: string, sql: string | null];
export type TileRow = readonly [level: number, index: number, data: unknown];

export function takeSnapshot(db: Database): Snapshot {
  const all = <T>(sql: string, ...values: number[]): T[] => db.rows(sql).all(...values) as unknown as T[];
  const first = <T>(sql: string): T => db.rows(sql).get() as unknown as T;
  db.exec("SAVEPOINT snapshot");
  try {
    const [least, most, count] = first<[number | null, number | null, number]>(
      "SELECT min(seq), max(seq), count(*) FROM record",
    );
    const [newestCheckpoint, newestNote] = (db
      .rows("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
      .get() ?? []) as [number?, unknown?];
    return {
      // Without what SQLite makes by itself: it has no text. All that has one is run, whatever its name and its type say.
      schema: all<SchemaRow>(
        `SELECT type, name, sql FROM sqlite_schema
         WHERE NOT (type = 'index' AND name GLOB 'sqlite_autoindex_*' AND sql IS NULL) ORDER BY type, name`,
      ),
      least: least ?? 0,
      most: most ?? 0,
      count,
      newestCheckpoint: newestCheckpoint ?? 0,
      newestNote,
      tiles: all<TileRow>("SELECT level, idx, data FROM tile WHERE level > 0 ORDER BY level, idx"),
      sealedSizes: sealedSizes(db),
      strays: all<[number]>(
        "SELECT seq FROM payload WHERE seq > ? UNION SELECT seq FROM payload WHERE seq < 1 LIMIT 100",
        most ?? 0,
      ).map(([seq]) => seq),
    };
  } finally {
    db.exec("RELEASE snapshot");
  }
}

/** The sizes that seals in a file name, to be computed on the way. What they say is believed only of a record that is in the tree. */
export function sealedSizes(db: Database): number[] {
  // As the ledger's index has it.
  const sql = "SELECT leaf FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'seal' ORDER BY seq";
  const rows = db.rows(sql).all() as unknown as [unknown][];
  return parseSeals(rows.flatMap(([text]) => (typeof text === "string" ? [text] : []))).map(({ size }) => size);
}
