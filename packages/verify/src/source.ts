import type { DatabaseSync, StatementSync } from "node:sqlite";
import { openDatabase, prepareRows } from "./database.ts";
import { RECORD_COLUMNS, type RecordRow } from "./leaf.ts";
import { HASH, TILE } from "./merkle.ts";

/** Payload bytes that are read in one go; a part of the ledger with more is read one by one. */
const AT_ONCE = 32 * 1024 * 1024;

export type PayloadRow = readonly [seq: number, name: unknown, data: unknown];
export type CheckpointRow = readonly [size: number, note: unknown];

/** The statements that read one file of records: the ledger, or a segment that was archived. */
interface Tables {
  readonly records: StatementSync;
  readonly bytes: StatementSync;
  readonly payloads: StatementSync;
}

/** Reads a ledger a few hundred records at a time, together with the segments that were taken out of it. */
export class Source {
  readonly #db: DatabaseSync;
  readonly #files: readonly Tables[];
  readonly #checkpoints: StatementSync;
  readonly #tile: StatementSync;
  readonly #exact: StatementSync;

  /** @param segments files of archived segments; what the ledger itself holds goes before what they do */
  constructor(path: string, segments: readonly string[]) {
    this.#db = openDatabase(path);
    this.#files = [this.#db, ...segments.map(openDatabase)].map((db) => ({
      records: prepareRows(
        db,
        `SELECT ${RECORD_COLUMNS.join(", ")} FROM record WHERE seq >= ? AND seq <= ? ORDER BY seq`,
      ),
      bytes: prepareRows(db, "SELECT coalesce(sum(length(data)), 0) FROM payload WHERE seq >= ? AND seq <= ?"),
      payloads: prepareRows(db, "SELECT seq, name, data FROM payload WHERE seq >= ? AND seq <= ? ORDER BY seq, name"),
    }));
    this.#checkpoints = prepareRows(
      this.#db,
      "SELECT size, note FROM checkpoint WHERE size >= ? AND size <= ? ORDER BY size",
    );
    this.#tile = prepareRows(this.#db, "SELECT data FROM tile WHERE level = 0 AND idx = ?");
    this.#exact = prepareRows(this.#db, "SELECT CAST(leaf AS BLOB) FROM record WHERE seq = ?");
  }

  /** The records from..to, in order; fewer where some are not there. */
  records(from: number, to: number): readonly RecordRow[] {
    const [ledger, ...segments] = this.#files as [Tables, ...Tables[]];
    const rows = ledger.records.all(from, to) as unknown as RecordRow[];
    if (segments.length === 0 || rows.length === to - from + 1) return rows;
    const known = new Set(rows.map((row) => row[0]));
    for (const file of segments) {
      for (const row of file.records.all(from, to) as unknown as RecordRow[]) {
        if (known.has(row[0])) continue;
        known.add(row[0]);
        rows.push(row);
      }
    }
    return rows.sort((a, b) => a[0] - b[0]);
  }

  /** The payloads of the records from..to, in order of seq and name. */
  payloads(from: number, to: number): Iterable<PayloadRow> {
    const [ledger, ...segments] = this.#files as [Tables, ...Tables[]];
    const own = this.#payloads(ledger, from, to);
    if (segments.length === 0) return own;
    const rows = [...own];
    const known = new Set(rows.map(([seq, name]) => `${seq} ${String(name)}`));
    for (const file of segments) {
      for (const row of this.#payloads(file, from, to)) if (!known.has(`${row[0]} ${String(row[1])}`)) rows.push(row);
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
