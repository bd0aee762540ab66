import { CallgateError } from "@callgate/core";
import { openDataFile } from "../data-file.ts";
import { ledgerPath } from "../folder.ts";
import { HASH_BYTES, TILE_HEIGHT, TILE_WIDTH } from "../merkle.ts";
import { readMeta } from "../schema.ts";
import { treeReader } from "../tree-reader.ts";

/** The tree over a ledger's leaves, tile by tile (C2SP tlog-tiles). */
export interface LedgerTree {
  readonly log: string;
  /** The newest checkpoint when the tree was opened or last refreshed; size 0 and an empty note where there is none. */
  readonly checkpoint: { readonly size: number; readonly note: string };
  /** Looks for a newer checkpoint. */
  refresh(): void;
  /** The first `width` hashes of a tile, one after another. Throws `LEDGER_CORRUPT` where one is not there. */
  hashes(level: number, index: number, width: number): Buffer;
  /** The texts of the leaves of the tile of level 0; fewer than `width` where some were archived. */
  leaves(index: number, width: number): readonly string[];
  close(): void;
}

/** Opens the tree of a data folder's ledger, read-only. The ledger MUST be there: see `openReader`. */
export function openTree(folder: string): LedgerTree {
  const db = openDataFile(ledgerPath(folder), { readonly: true, fileMustExist: true });
  const newest = db.prepare<[], { size: number; note: string }>(
    "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1",
  );
  const hashesOf = db
    .prepare<[number, number], Buffer>("SELECT hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq")
    .pluck();
  const leavesOf = db
    .prepare<[number, number], string>("SELECT leaf FROM record WHERE seq > ? AND seq <= ? ORDER BY seq")
    .pluck();
  const archived = db.prepare<[number], Buffer>("SELECT data FROM tile WHERE level = 0 AND idx = ?").pluck();
  const node = treeReader(db);
  const leafHashes = (index: number, width: number): Buffer => {
    // The hashes of archived records are kept as a tile, the newest of them as one that is not full.
    const kept = archived.get(index) ?? Buffer.alloc(0);
    const from = index * TILE_WIDTH;
    const rest = hashesOf.all(from + kept.length / HASH_BYTES, from + width);
    return Buffer.concat([kept, ...rest]).subarray(0, width * HASH_BYTES);
  };
  let checkpoint = newest.get() ?? { size: 0, note: "" };
  return {
    log: readMeta(db, "log") ?? "",
    get checkpoint() {
      return checkpoint;
    },
    refresh() {
      checkpoint = newest.get() ?? checkpoint;
    },
    hashes(level, index, width) {
      const hashes =
        level === 0
          ? leafHashes(index, width)
          : Buffer.concat(Array.from({ length: width }, (_, i) => node(level * TILE_HEIGHT, index * TILE_WIDTH + i)));
      if (hashes.length === width * HASH_BYTES) return hashes;
      throw new CallgateError("LEDGER_CORRUPT", `hashes of the tile ${level}/${index} are missing`, {
        help: "run `callgate ledger verify`",
      });
    },
    leaves: (index, width) => leavesOf.all(index * TILE_WIDTH, index * TILE_WIDTH + width),
    close: () => {
      db.close();
    },
  };
}
