import { hash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync } from "node:fs";
import { join, resolve } from "node:path";
import { CallgateError, newId } from "@callgate/core";
import Database from "better-sqlite3";
import { NO_LEAF } from "./leaf.ts";
import { createSchema, FORMAT, readMeta, schemaProblems } from "./schema.ts";

/** The ledger's file in a data folder. */
export function ledgerPath(folder: string): string {
  return join(resolve(folder), "ledger.db");
}

/** Where the chain stands. */
export interface Head {
  readonly seq: number;
  /** `sha256:<hex>` of the newest leaf. */
  readonly hash: string;
  /** Unix milliseconds of the newest leaf; 0 if there is none. */
  readonly ts: number;
}

/** A ledger opened for writing. Only the writer's thread holds one. */
export interface Store {
  readonly db: Database.Database;
  readonly log: string;
  readonly head: Head;
  /** Leaves of intents that have no outcome. */
  readonly orphans: readonly string[];
  /** Closes the file and gives up the lease. */
  close(): void;
}

/**
 * Takes the lease, opens or makes the file, and checks it. Throws `LEDGER_LOCKED` if another writer holds the lease,
 * `LEDGER_NOT_DURABLE` if the file cannot be synced as asked, `LEDGER_FORMAT` or `LEDGER_CORRUPT` if its contents are not
 * what a writer left.
 */
export function openStore(folder: string, sync: "full" | "off"): Store {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lease = takeLease(folder);
  try {
    const path = ledgerPath(folder);
    makePrivate(path);
    const db = new Database(path);
    try {
      requireDurable(db, sync);
      const log = db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined ? create(db, folder) : identify(db);
      return {
        db,
        log,
        head: readHead(db),
        orphans: findOrphans(db),
        close() {
          db.close();
          lease.close();
        },
      };
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    lease.close();
    throw error;
  }
}

// Records hold arguments and results, and who may open the lease's file may hold it: nobody but the owner. SQLite gives its
// side files the same mode.
function makePrivate(path: string): void {
  closeSync(openSync(path, "a", 0o600));
}

// The lease is an exclusive transaction on a file of its own: the operating system ends it with the process, however that
// ends, and readers of the ledger are not kept out.
function takeLease(folder: string): Database.Database {
  const path = join(resolve(folder), "ledger.lock");
  makePrivate(path);
  const lease = new Database(path, { timeout: 0 });
  try {
    lease.exec("BEGIN EXCLUSIVE");
    return lease;
  } catch (cause) {
    lease.close();
    if ((cause as { code?: string }).code !== "SQLITE_BUSY") throw cause;
    throw new CallgateError("LEDGER_LOCKED", `another broker is writing to the ledger in \`${folder}\``, {
      help: "stop it first, or give this one a data folder of its own with `--data`",
      cause,
    });
  }
}

function requireDurable(db: Database.Database, sync: "full" | "off"): void {
  db.pragma("journal_mode = WAL");
  // better-sqlite3 compiles in NORMAL for WAL, which loses acknowledged records in a power cut.
  db.pragma(`synchronous = ${sync === "full" ? "FULL" : "OFF"}`);
  db.pragma("wal_autocheckpoint = 2000");
  const mode = db.pragma("journal_mode", { simple: true });
  const level = db.pragma("synchronous", { simple: true });
  if (mode === "wal" && level === (sync === "full" ? 2 : 0)) return;
  throw new CallgateError(
    "LEDGER_NOT_DURABLE",
    `the ledger's file gives journal \`${String(mode)}\` and sync level \`${String(level)}\``,
    {
      help: "put the data folder on a local disk that supports SQLite's write-ahead log",
    },
  );
}

function create(db: Database.Database, folder: string): string {
  const log = newId("log");
  createSchema(db, log);
  // The file's name is durable only once its folder is.
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return log;
}

function identify(db: Database.Database): string {
  const isLedger = db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
  const format = isLedger ? readMeta(db, "format") : undefined;
  if (format !== FORMAT) {
    throw new CallgateError("LEDGER_FORMAT", `the ledger's format is \`${format ?? "unknown"}\`, not \`${FORMAT}\``, {
      help: "open it with the version of callgate that wrote it, or use a new data folder",
    });
  }
  const log = readMeta(db, "log");
  const problem = log === undefined ? "it has no log id" : schemaProblems(db)[0];
  if (log === undefined || problem !== undefined) throw corrupt(problem ?? "");
  return log;
}

function readHead(db: Database.Database): Head {
  const newest = db
    .prepare<[], { seq: number; ts: number; hash: Buffer; leaf: string }>(
      "SELECT seq, ts, hash, leaf FROM record ORDER BY seq DESC LIMIT 1",
    )
    .get();
  if (newest === undefined) return { seq: 0, hash: NO_LEAF, ts: 0 };
  const hex = hash("sha256", newest.leaf);
  if (hex !== newest.hash.toString("hex")) throw corrupt(`record ${newest.seq} does not match its hash`);
  return { seq: newest.seq, hash: `sha256:${hex}`, ts: newest.ts };
}

// Every earlier run's orphans got their outcome before that run's successor wrote its boot record: only what follows the
// newest boot record can have any.
function findOrphans(db: Database.Database): string[] {
  return db
    .prepare<[], string>(
      `SELECT leaf FROM record AS i
       WHERE seq > coalesce((SELECT max(seq) FROM record WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'boot'), 0)
         AND kind = 'intent' AND call IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM record AS o WHERE o.call = i.call AND o.kind = 'outcome')
       ORDER BY seq`,
    )
    .pluck()
    .all();
}

function corrupt(problem: string): CallgateError {
  return new CallgateError("LEDGER_CORRUPT", `the ledger is not as its writer left it: ${problem}`, {
    help: "run `callgate ledger verify`, keep the file as evidence, and start with a new data folder",
  });
}
