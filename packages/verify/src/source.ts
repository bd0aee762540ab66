import { isDeepStrictEqual } from "node:util";
import { type Database, openDatabase, type Rows } from "./database.ts";
import type { FileKeys } from "./encrypted.ts";
import { RECORD_COLUMNS, type RecordRow } from "./leaf.ts";
import { HASH, TILE } from "./merkle.ts";

/** Payload bytes that are read in one go; a part of the ledger with more is read one by one. */
const AT_ONCE = 32 * 1024 * 1024;

export type PayloadRow = readonly [seq: number, name: unknown, data: unknown];
export type CheckpointRow = readonly [size: number, note: unknown];

/** Is told of a segment that has a record, or a payload of one, otherwise than the ledger or another segment. */
export type Differs = (path: string, seq: number) => void;

/** The statements that read one file of records: the ledger, or a segment that was archived. */
interface Tables {
  readonly path: string;
  readonly records: Rows;
  readonly bytes: Rows;
  readonly payloads: Rows;
}

/** The files that records are read from. */
export interface SourceFiles {
  readonly path: string;
  /** Archived segments. */
  readonly segments: readonly string[];
  /** The ledger's own oldest record: only of what is before it the segments are a part of the log. */
  readonly least: number;
  /** Of all of them, where they are encrypted. */
  readonly fileKey?: FileKeys;
  /** Read the ledger as it is at this moment, in which that MUST be its oldest record. */
  readonly pinned?: true;
}

/** Reads a ledger a few hundred records at a time, together with the segments that were taken out of it. */
export class Source {
  readonly #db: Database;
  readonly #ledger: Tables;
  readonly #segments: readonly Tables[];
  readonly #least: number;
  readonly #checkpoints: Rows;
  readonly #tile: Rows;
  readonly #exact: Rows;

  constructor({ path, segments, least, fileKey, pinned }: SourceFiles) {
    this.#db = openDatabase(path, fileKey);
    this.#least = least;
    if (pinned === true) pin(this.#db, least);
    this.#ledger = tablesOf(path, this.#db);
    this.#segments = segments.map((segment) => tablesOf(segment, openDatabase(segment, fileKey)));
    this.#checkpoints = this.#db.rows("SELECT size, note FROM checkpoint WHERE size >= ? AND size <= ? ORDER BY size");
    this.#tile = this.#db.rows("SELECT data FROM tile WHERE level = 0 AND idx = ?");
    this.#exact = this.#db.rows("SELECT CAST(leaf AS BLOB) FROM record WHERE seq = ?");
  }

  /** The records from..to, in order; fewer where some are not there. */
  records(from: number, to: number, differs: Differs = () => {}): readonly RecordRow[] {
    const rows = this.#ledger.records.all(from, to) as unknown as RecordRow[];
    const own = rows.length;
    const known = new Map(this.#segments.length === 0 ? [] : rows.map((row) => [row[0], row]));
    for (const file of this.#segments) {
      for (const row of file.records.all(from, to) as unknown as RecordRow[]) {
        const same = known.get(row[0]);
        if (same !== undefined && !isDeepStrictEqual(row, same)) differs(file.path, row[0]);
        if (same !== undefined || row[0] >= this.#least) continue;
        known.set(row[0], row);
        rows.push(row);
      }
    }
    return rows.length === own ? rows : rows.sort((a, b) => a[0] - b[0]);
  }

  /** The payloads of the records from..to, in order of seq and name. */
  payloads(from: number, to: number, differs: Differs): Iterable<PayloadRow> {
    const own = this.#payloads(this.#ledger, from, to);
    if (this.#segments.length === 0) return own;
    const rows = [...own];
    const keyOf = ([seq, name]: PayloadRow): string => `${seq} ${String(name)}`;
    const known = new Map(rows.map((row) => [keyOf(row), row]));
    for (const file of this.#segments) {
      for (const row of this.#payloads(file, from, to)) {
        const same = known.get(keyOf(row));
        if (same === undefined && row[0] < this.#least) {
          known.set(keyOf(row), row);
          rows.push(row);
        } else if (!isDeepStrictEqual(row, same)) differs(file.path, row[0]);
      }
    }
    return rows.sort((a, b) => a[0] - b[0]);
  }

  /** The checkpoints of the sizes from..to. */
  checkpoints(from: number, to: number): readonly CheckpointRow[] {
    return this.#checkpoints.all(from, to) as unknown as CheckpointRow[];
  }

  /** Hashes of leaves that were archived: those of records `index * 256 + 1` and on. Empty where none is kept. */
  leafTile(index: number): Buffer {
    const data = (this.#tile.get(index) as unknown as [unknown] | undefined)?.[0];
    if (!(data instanceof Uint8Array)) return Buffer.alloc(0);
    return Buffer.from(data.buffer, data.byteOffset, Math.min(data.length - (data.length % HASH), TILE * HASH));
  }

  /** The bytes of a leaf that the ledger itself holds. */
  leafBytes(seq: number): Uint8Array | undefined {
    const bytes = (this.#exact.get(seq) as unknown as [unknown] | undefined)?.[0];
    return bytes instanceof Uint8Array ? bytes : undefined;
  }

  #payloads(file: Tables, from: number, to: number): Iterable<PayloadRow> {
    const [bytes] = file.bytes.get(from, to) as unknown as [number];
    const rows = bytes > AT_ONCE ? file.payloads.iterate(from, to) : file.payloads.all(from, to);
    return rows as unknown as Iterable<PayloadRow>;
  }
}

function tablesOf(path: string, db: Database): Tables {
  const columns = RECORD_COLUMNS.join(", ");
  return {
    path,
    records: db.rows(`SELECT ${columns} FROM record WHERE seq >= ? AND seq <= ? ORDER BY seq`),
    bytes: db.rows("SELECT coalesce(sum(length(data)), 0) FROM payload WHERE seq >= ? AND seq <= ?"),
    payloads: db.rows("SELECT seq, name, data FROM payload WHERE seq >= ? AND seq <= ? ORDER BY seq, name"),
  };
}

/** Looks at a file from now on as it is. Throws `MOVED` if its oldest record is another one. */
function pin(db: Database, least: number): void {
  db.exec("BEGIN");
  if (oldestIn(db) !== least) throw new Error(MOVED);
}

/** What is said where a broker took out a segment just now. */
export const MOVED = "a segment was taken out of the ledger just now";

/** The oldest record of a ledger; 0 where there is none. */
export function oldestIn(db: Database): number {
  const [least] = db.rows("SELECT min(seq) FROM record").get() as [number | null];
  return least ?? 0;
}
