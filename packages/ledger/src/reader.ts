import { existsSync } from "node:fs";
import { CallgateError, type LedgerRecord } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { scanCalls } from "./calls.ts";
import { openDataFile } from "./data-file.ts";
import { parseFilter } from "./filter.ts";
import { ledgerPath } from "./folder.ts";
import { parseLeaf } from "./parse-leaf.ts";
import { openPayloads } from "./payloads.ts";
import type { LedgerReader } from "./port.ts";
import { consistencyProof, inclusionProof, rootAt } from "./proof.ts";
import { type Readable, scanRecords, searchState } from "./records.ts";
import { FORMAT, readMeta } from "./schema.ts";
import { attachIndex, indexedUpTo } from "./search/attach.ts";
import { treeReader } from "./tree-reader.ts";
import { verifyLedger } from "./verify.ts";

/** How a ledger is read. */
export interface ReaderOptions {
  /** Is told, once each, of records that are left out because their leaf cannot be read: no writer made it. */
  readonly onUnreadable?: (seq: number) => void;
}

/**
 * Opens a data folder's ledger for reading, beside its writer if there is one. Throws `LEDGER_NOT_FOUND`,
 * `LEDGER_UNREADABLE`, `LEDGER_FORMAT`, or what `openDataFile` does.
 */
export function openReader(folder: string, options: ReaderOptions = {}): LedgerReader {
  const path = ledgerPath(folder);
  if (!existsSync(path)) {
    throw new CallgateError("LEDGER_NOT_FOUND", `there is no ledger in \`${folder}\``, {
      help: "name the broker's data folder with `--data`",
    });
  }
  let db: Database | undefined;
  try {
    db = openDataFile(path, { readonly: true, fileMustExist: true });
    const format = readMeta(db, "format");
    const log = readMeta(db, "log");
    if (format === FORMAT && log !== undefined) return reader(db, log, folder, options);
  } catch (cause) {
    db?.close();
    if (cause instanceof CallgateError) throw cause;
    throw new CallgateError("LEDGER_UNREADABLE", `the ledger in \`${folder}\` cannot be read`, {
      help: "check that it is a ledger and that this user may read the folder and write beside the file",
      cause,
    });
  }
  db.close();
  throw new CallgateError("LEDGER_FORMAT", `the ledger in \`${folder}\` is not in the format \`${FORMAT}\``, {
    help: "read it with the version of callgate that wrote it",
  });
}

function reader(db: Database, log: string, folder: string, { onUnreadable }: ReaderOptions): LedgerReader {
  const recordOf = db.prepare<[number], { leaf: string; hash: Buffer }>("SELECT leaf, hash FROM record WHERE seq = ?");
  const payloads = openPayloads(db, folder, log);
  const unreadable = new Set<number>();
  const source: Readable = {
    db,
    folder,
    payloadsOf: (seq) => payloads.read(seq).texts,
    recordOf({ seq, leaf }) {
      const record = parseLeaf(seq, leaf);
      if (record === undefined && !unreadable.has(seq)) {
        unreadable.add(seq);
        onUnreadable?.(seq);
      }
      return record;
    },
  };
  const node = treeReader(db);
  const head = (): number => db.prepare<[], number | null>("SELECT max(seq) FROM record").pluck().get() ?? 0;
  const noteAt = db.prepare<[number], { size: number; note: string }>(
    "SELECT size, note FROM checkpoint WHERE size >= ? ORDER BY size LIMIT 1",
  );
  const oldest = db.prepare<[], number | null>("SELECT min(seq) FROM record").pluck();
  const newestNote = db.prepare<[], { size: number; note: string }>(
    "SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1",
  );
  return {
    log,
    query(filter) {
      const selection = parseFilter(filter);
      const records: LedgerRecord[] = [];
      for (const record of scanRecords(source, selection)) {
        records.push(record);
        if (records.length === selection.limit) break;
      }
      return records;
    },
    records: (filter, accepts) => scanRecords(source, parseFilter(filter), accepts),
    searchState() {
      return searchState(attachIndex(db, folder) ? indexedUpTo(db) : undefined, head());
    },
    show(seq) {
      const row = recordOf.get(seq);
      if (row === undefined) return undefined;
      const record = parseLeaf(seq, row.leaf);
      if (record === undefined)
        throw new CallgateError("LEDGER_UNREADABLE", `record ${seq} cannot be read: no broker wrote it like that`, {
          help: "run `callgate ledger verify`",
        });
      const { texts, shredded } = payloads.read(seq);
      return {
        record,
        leaf: row.leaf,
        hash: `sha256:${row.hash.toString("hex")}`,
        payloads: texts,
        shredded,
      };
    },
    calls: (filter, onProgress) => scanCalls(source, filter, onProgress),
    oldest: () => oldest.get() ?? 1,
    checkpoint: (from) => (from === undefined ? newestNote.get() : noteAt.get(from)),
    prove(seq, size = head()) {
      refuseOutside(seq, 1, size);
      refuseOutside(size, 1, head());
      return { index: seq - 1, size, root: rootAt(node, size), hashes: inclusionProof(node, seq - 1, size) };
    },
    proveConsistency(old, size = head()) {
      refuseOutside(old, 0, size);
      refuseOutside(size, 1, head());
      return { old, size, root: rootAt(node, size), hashes: consistencyProof(node, old, size) };
    },
    verify: (onProgress) => verifyLedger(db, onProgress),
    close: () => {
      payloads.close();
      db.close();
    },
  };
}

function refuseOutside(n: number, least: number, most: number): void {
  if (Number.isSafeInteger(n) && n >= least && n <= most) return;
  throw new CallgateError("LEDGER_PROOF_INVALID", `\`${n}\` is not between ${least} and ${most}`, {
    help: "name a record that the ledger has, and a size that holds it",
  });
}
