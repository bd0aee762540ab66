import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { addReadingProblem, type Database, openDatabase } from "./database.ts";
import type { FileKeys } from "./encrypted.ts";
import type { Findings } from "./finding.ts";
import { FORMAT } from "./schema.ts";

/** The file of records that a path names: itself, or the one in a data folder. */
export function ledgerFile(path: string): string {
  const file = resolve(path);
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true ? join(file, "ledger.db") : file;
}

/** What a ledger says of itself. */
export interface OpenedLedger {
  readonly db: Database;
  /** The log's id. */
  readonly log: string;
  /** The digest of its schema, and its verifier key. */
  readonly schema: string | undefined;
  readonly vkey: string | undefined;
  /** The verifier key of its second, ML-DSA-44 signatures, if it has any. */
  readonly secondVkey: string | undefined;
}

/** Opens a ledger; undefined, and a finding, if it is no ledger of the known format. */
export function openLedgerFile(
  file: string,
  fileKey: FileKeys | undefined,
  findings: Findings,
): OpenedLedger | undefined {
  if (!existsSync(file)) {
    findings.add("unreadable", "file", `there is no ledger at \`${file}\``);
    return undefined;
  }
  let db: Database | undefined;
  try {
    db = openDatabase(file, fileKey);
    const meta = metaOf(db);
    const format = meta?.get("format");
    if (format === FORMAT) {
      const log = meta?.get("log");
      if (log !== undefined) {
        const [schema, vkey, secondVkey] = ["schema", "vkey", "vkey-ml-dsa-44"].map((name) => meta?.get(name));
        return { db, log, schema, vkey, secondVkey };
      }
      findings.add("integrity", "log", "the ledger does not say which log it is");
    } else {
      const what = format === undefined ? "no ledger" : `a ledger of the format \`${format}\`, not \`${FORMAT}\``;
      findings.add("unreadable", "file", `it is ${what}`);
    }
  } catch (error) {
    addReadingProblem(error, "file", "the ledger", findings);
  }
  db?.close();
  return undefined;
}

function metaOf(db: Database): ReadonlyMap<string, string> | undefined {
  if (db.rows("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() === undefined) return undefined;
  return new Map(db.rows("SELECT key, value FROM meta").all() as unknown as [string, string][]);
}
