import { existsSync } from "node:fs";
import { CallgateError, type LedgerRecord } from "@callgate/core";
import Database from "better-sqlite3";
import { scanCalls } from "./calls.ts";
import { parseFilter } from "./filter.ts";
import type { LedgerReader } from "./port.ts";
import { FORMAT, readMeta } from "./schema.ts";
import { selectLeaves } from "./select.ts";
import { ledgerPath } from "./store.ts";
import { verifyLedger } from "./verify.ts";

/**
 * Opens a data folder's ledger for reading, beside its writer if there is one. Throws `LEDGER_NOT_FOUND`,
 * `LEDGER_UNREADABLE` or `LEDGER_FORMAT`.
 */
export function openReader(folder: string): LedgerReader {
  const path = ledgerPath(folder);
  if (!existsSync(path)) {
    throw new CallgateError("LEDGER_NOT_FOUND", `there is no ledger in \`${folder}\``, {
      help: "name the broker's data folder with `--data`",
    });
  }
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true });
    const format = readMeta(db, "format");
    const log = readMeta(db, "log");
    if (format === FORMAT && log !== undefined) return reader(db, log);
  } catch (cause) {
    db?.close();
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

function reader(db: Database.Database, log: string): LedgerReader {
  const recordOf = db.prepare<[number], { leaf: string; hash: Buffer }>("SELECT leaf, hash FROM record WHERE seq = ?");
  const payloadsOf = db.prepare<[number], { name: string; text: string }>(
    "SELECT name, text FROM payload WHERE seq = ? ORDER BY name",
  );
  return {
    log,
    query(filter) {
      return selectLeaves(db, parseFilter(filter)).map((leaf) => JSON.parse(leaf) as LedgerRecord);
    },
    show(seq) {
      const row = recordOf.get(seq);
      if (row === undefined) return undefined;
      return {
        record: JSON.parse(row.leaf) as LedgerRecord,
        leaf: row.leaf,
        hash: `sha256:${row.hash.toString("hex")}`,
        payloads: Object.fromEntries(payloadsOf.all(seq).map((p) => [p.name, p.text])),
      };
    },
    calls: (filter, onProgress) => scanCalls(db, filter, onProgress),
    verify: (onProgress) => verifyLedger(db, onProgress),
    close: () => {
      db.close();
    },
  };
}
