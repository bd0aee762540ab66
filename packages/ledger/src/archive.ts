import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { attachDataFile } from "./data-file.ts";
import { makePrivate, syncFolder } from "./folder.ts";
import { HASH_BYTES, TILE_WIDTH } from "./merkle.ts";
import { SEGMENT_TABLES, withoutTriggers } from "./schema.ts";
import { type Seal, sealsIn } from "./seal.ts";
import { tileReader } from "./tree-reader.ts";

/** A sealed segment that is taken out of the ledger. */
export interface ArchivedSegment {
  readonly from: number;
  readonly to: number;
  /** Its name in the folder that it was copied to. */
  readonly file?: string;
  /** It was not copied. */
  readonly deleted?: true;
}

/**
 * Copies the sealed segments that end before a record into a folder, each to a file of its own, durably. Those that are there
 * already are copied again. Throws `LEDGER_NOT_SEALED` if there are none.
 */
export function copySegments(db: Database, log: string, before: number, to: string): readonly ArchivedSegment[] {
  const least = db.prepare<[], number | null>("SELECT min(seq) FROM record").pluck().get() ?? 1;
  const seals = sealsIn(db).filter((seal) => seal.from >= least && seal.to < before);
  if (seals.length === 0) {
    throw new CallgateError("LEDGER_NOT_SEALED", `no sealed segment ends before record ${before}`, {
      help: "seal the records with `callgate ledger seal`, or name a later record",
    });
  }
  const folder = resolve(to);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return seals.map((seal) => copySegment(db, log, seal, folder));
}

function copySegment(db: Database, log: string, { from, to }: Seal, folder: string): ArchivedSegment {
  const range = [from, to].map((seq) => String(seq).padStart(12, "0")).join("-");
  const file = `${log}-${range}.segment.db`;
  const draft = join(folder, `${file}.part`);
  rmSync(draft, { force: true });
  makePrivate(draft);
  attachDataFile(db, draft, "segment");
  try {
    db.exec("BEGIN");
    for (const sql of SEGMENT_TABLES) db.exec(sql.replace("CREATE TABLE ", "CREATE TABLE segment."));
    for (const table of ["record", "payload"])
      db.prepare(`INSERT INTO segment.${table} SELECT * FROM main.${table} WHERE seq BETWEEN ? AND ? ORDER BY seq`).run(
        from,
        to,
      );
    const copied = db.prepare<[], number>("SELECT count(*) FROM segment.record").pluck().get();
    if (copied !== to - from + 1) throw new Error(`records are missing between ${from} and ${to}`);
    db.exec("COMMIT");
  } catch (error) {
    if (db.inTransaction) db.exec("ROLLBACK");
    throw error;
  } finally {
    db.exec("DETACH segment");
  }
  const handle = openSync(draft, "r+");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(draft, join(folder, file));
  syncFolder(folder);
  return { from, to, file };
}

/** Takes segments out of the ledger that were copied, or are to be deleted; of their records the hashes stay, as tiles. */
export function dropSegments(db: Database, segments: readonly ArchivedSegment[], folder: string | undefined): void {
  for (const { file, deleted } of segments) {
    const there = file !== undefined && folder !== undefined && existsSync(join(resolve(folder), file));
    if (!there && deleted !== true) throw new Error(`\`${file}\` is not there any more`);
  }
  const from = Math.min(...segments.map((segment) => segment.from));
  const to = Math.max(...segments.map((segment) => segment.to));
  db.transaction(() => {
    withoutTriggers(db, ["record", "payload", "tile"], () => {
      const tiles = tileReader(db);
      const put = db.prepare("INSERT OR REPLACE INTO tile (level, idx, data) VALUES (0, ?, ?)");
      for (let index = Math.floor((from - 1) / TILE_WIDTH); index * TILE_WIDTH < to; index++) {
        const many = Math.min(TILE_WIDTH, to - index * TILE_WIDTH);
        put.run(index, tiles.leaves(index).subarray(0, many * HASH_BYTES));
      }
      db.prepare("DELETE FROM payload WHERE seq <= ?").run(to);
      db.prepare("DELETE FROM record WHERE seq <= ?").run(to);
    });
  }).immediate();
}
