import { mkdirSync } from "node:fs";
import { CallgateError, messageOf, newId } from "@callgate/core";
import type Database from "better-sqlite3";
import { parseCheckpoint } from "./checkpoint.ts";
import { openDataFile } from "./data-file.ts";
import { ledgerPath, makePrivate, syncFolder } from "./folder.ts";
import { NO_LEAF } from "./leaf.ts";
import { folderLease } from "./lease.ts";
import { adoptLogKey, draftLogKey, type LogKey, publishKey, readLogKey } from "./log-key.ts";
import { leafHash, type Tree } from "./merkle.ts";
import { isSignedBy, parseVerifierKey } from "./note.ts";
import { PayloadKeys } from "./payload-keys.ts";
import { createSchema, FORMAT, readMeta, schemaProblems } from "./schema.ts";
import { lastSeal } from "./seal.ts";
import { openSecondKey, SECOND_KEY, type SecondKey } from "./second-key.ts";
import { rebuildTree } from "./tree-reader.ts";

/** How long opening waits for others that have a file for themselves, in milliseconds. Afterwards nothing ever waits in SQLite. */
const OPEN_WAIT_MS = 5000;

/** Where the chain stands. */
export interface Head {
  readonly seq: number;
  /** `sha256:<hex>` of the newest leaf. */
  readonly hash: string;
  /** Unix milliseconds of the newest leaf; 0 if there is none. */
  readonly ts: number;
}

/** How checkpoints are signed. Ed25519 is always among them. */
export type SignatureKind = "ed25519" | "ml-dsa-44";

/** A ledger opened for writing. Only the writer's thread holds one. */
export interface Store {
  readonly db: Database.Database;
  readonly log: string;
  readonly key: LogKey;
  readonly keys: PayloadKeys;
  /** Signs checkpoints too, if that is wanted. */
  readonly second: SecondKey | undefined;
  readonly head: Head;
  /** Over all records. The committer makes it grow. */
  readonly tree: Tree;
  /** The newest record of the newest sealed segment; 0 if nothing was sealed. */
  readonly sealed: number;
  /** Leaves of intents that have no outcome. */
  readonly orphans: readonly string[];
  /** Closes the files and gives up the lease. */
  close(): void;
  /** The same after a failure: what the disk has is left as it is. */
  abandon(): void;
}

/**
 * Takes the lease, opens or makes the files, and checks them. Throws `LEDGER_LOCKED` if another writer holds the lease,
 * `LEDGER_NOT_DURABLE` if the file cannot be synced as asked, `LEDGER_MISSING` if there is the key of a ledger that is not there,
 * `LEDGER_KEYS_MISSING`, `LEDGER_KEY_INVALID`, `LEDGER_FORMAT`, or `LEDGER_CORRUPT` if its contents are not what a writer left. Where it
 * is not said what checkpoints are signed with, that is every key that the ledger has.
 */
export function openStore(folder: string, sync: "full" | "off", signatures?: readonly SignatureKind[]): Store {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const open: { close(): unknown }[] = [];
  const close = (): void => {
    for (const one of open.splice(0).toReversed()) one.close();
  };
  try {
    open.push(folderLease(folder));
    const path = ledgerPath(folder);
    // Records hold arguments and results.
    makePrivate(path);
    const db = openDataFile(path, { timeout: OPEN_WAIT_MS });
    open.push(db);
    requireDurable(db, sync);
    const isNew = db.prepare("SELECT 1 FROM sqlite_schema").get() === undefined;
    const key = isNew ? create(db, folder) : identify(db, folder);
    const head = readHead(db);
    const tree = treeOf(db, head.seq);
    checkNewest(db, key, head, tree);
    const twice = signatures?.includes("ml-dsa-44") ?? readMeta(db, SECOND_KEY) !== undefined;
    const second = twice ? openSecondKey(db, folder, key.log) : undefined;
    const keys = PayloadKeys.open(folder, sync, { log: key.log, begun: head.seq > 0, shredded: shreddedIn(db) });
    open.push(keys);
    const orphans = findOrphans(db);
    db.pragma("busy_timeout = 0");
    const sealed = lastSeal(db)?.to ?? 0;
    return {
      db,
      log: key.log,
      key,
      keys,
      second,
      head,
      tree,
      sealed,
      orphans,
      close,
      abandon() {
        // The last connection to close brings the log into the file. One that can only read cannot.
        const last = readOnly(path);
        close();
        last?.close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function readOnly(path: string): Database.Database | undefined {
  try {
    const db = openDataFile(path, { readonly: true, fileMustExist: true, timeout: 0 });
    db.prepare("SELECT 1 FROM sqlite_schema").get();
    return db;
  } catch {
    return undefined;
  }
}

function requireDurable(db: Database.Database, sync: "full" | "off"): void {
  db.pragma("journal_mode = WAL");
  // better-sqlite3 compiles in NORMAL for WAL, which loses acknowledged records in a power cut.
  db.pragma(`synchronous = ${sync === "full" ? "FULL" : "OFF"}`);
  db.pragma("wal_autocheckpoint = 2000");
  // What is taken out MUST be gone from the file. Only at all times does that hold for the copies that SQLite leaves where it splits pages.
  db.pragma("secure_delete = ON");
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

function create(db: Database.Database, folder: string): LogKey {
  const before = readLogKey(folder);
  if (before !== undefined) {
    throw new CallgateError(
      "LEDGER_MISSING",
      `the ledger \`${before.log}\` in \`${folder}\` is gone; its key is still there`,
      {
        help: "restore `ledger.db`, or use a new data folder; remove `ledger-key.json` only if the loss is known and accepted",
      },
    );
  }
  const log = newId("log");
  const key = draftLogKey(folder, log);
  db.transaction(() => createSchema(db, key)).immediate();
  // The file's name is durable only once its folder is.
  syncFolder(folder);
  adoptLogKey(folder, log);
  publishKey(folder, key);
  return key;
}

function identify(db: Database.Database, folder: string): LogKey {
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
  const key = readLogKey(folder) ?? adoptLogKey(folder, log);
  if (key === undefined) {
    throw new CallgateError("LEDGER_KEY_MISSING", `the key of the ledger in \`${folder}\` is not there`, {
      help: "restore `ledger-key.json` from a backup: without it nothing can be added",
    });
  }
  if (key.log !== log || key.vkey !== readMeta(db, "vkey")) throw corrupt("its key is another ledger's");
  if (publishKey(folder, key) !== key.vkey) throw corrupt("`ledger.vkey` is another ledger's");
  return key;
}

function readHead(db: Database.Database): Head {
  const newest = db
    .prepare<[], { seq: number; ts: number; hash: Buffer; leaf: string }>(
      "SELECT seq, ts, hash, leaf FROM record ORDER BY seq DESC LIMIT 1",
    )
    .get();
  if (newest === undefined) return { seq: 0, hash: NO_LEAF, ts: 0 };
  const hash = leafHash(newest.leaf);
  if (!hash.equals(newest.hash)) throw corrupt(`record ${newest.seq} does not match its hash`);
  return { seq: newest.seq, hash: `sha256:${hash.toString("hex")}`, ts: newest.ts };
}

function treeOf(db: Database.Database, size: number): Tree {
  try {
    return rebuildTree(db, size);
  } catch (error) {
    if ((error as { code?: string }).code !== undefined) throw error;
    throw corrupt(messageOf(error));
  }
}

/** The newest checkpoint was written with the newest record, signed, and holds the root of what is there now. */
function checkNewest(db: Database.Database, key: LogKey, head: Head, tree: Tree): void {
  if (head.seq === 0) return;
  const row = db
    .prepare<[], { size: number; note: string }>("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    .get();
  if (row?.size !== head.seq) throw corrupt(`its newest checkpoint is not that of record ${head.seq}`);
  const read = parseCheckpoint(row.note);
  const vkey = parseVerifierKey(key.vkey);
  if (read === undefined || vkey === undefined || !isSignedBy(read.note, vkey))
    throw corrupt("its newest checkpoint is not signed by its key");
  const { size, root } = read.checkpoint;
  if (size !== head.seq || !root.equals(tree.root())) throw corrupt("its newest checkpoint is not that of its records");
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

/** Sessions whose keys were taken away, as the log's own records have it. */
function shreddedIn(db: Database.Database): string[] {
  return db
    .prepare<[], string>(
      `SELECT DISTINCT json_extract(leaf, '$.detail.shredded') FROM record
       WHERE nullif(nullif(kind, 'intent'), 'outcome') = 'config' AND json_valid(leaf)
         AND json_type(leaf, '$.detail.shredded') = 'text'`,
    )
    .pluck()
    .all();
}

function corrupt(problem: string): CallgateError {
  return new CallgateError("LEDGER_CORRUPT", `the ledger is not as its writer left it: ${problem}`, {
    help: "run `callgate ledger verify`, keep the file as evidence, and start with a new data folder",
  });
}
