import { digestOfJson } from "@callgate/core";
import type { Database } from "better-sqlite3";

/** Changes with every change of tables, triggers or leaves. */
export const FORMAT = "callgate-ledger/2";

// Every index costs each append a page write, so that there is one only where a query needs it. Rows that are rare (all but
// intents and outcomes, verdicts but `allow`, statuses but `ok`) have partial indexes, which cost the others nothing. An index without
// further columns gives its rows in the order of seq: no query sorts.
const OBJECTS: { readonly [name: string]: string } = {
  meta: "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
  record: `CREATE TABLE record (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  ts INTEGER NOT NULL,
  agent TEXT,
  session TEXT,
  call TEXT,
  tool TEXT,
  verdict TEXT,
  status TEXT,
  hash BLOB NOT NULL,
  leaf TEXT NOT NULL
) STRICT`,
  payload: `CREATE TABLE payload (
  seq INTEGER NOT NULL,
  name TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (seq, name)
) STRICT, WITHOUT ROWID`,
  tile: `CREATE TABLE tile (
  level INTEGER NOT NULL,
  idx INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (level, idx)
) STRICT`,
  checkpoint: "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
  record_agent: "CREATE INDEX record_agent ON record (agent) WHERE agent IS NOT NULL",
  record_session: "CREATE INDEX record_session ON record (session) WHERE session IS NOT NULL",
  record_call: "CREATE INDEX record_call ON record (call, kind) WHERE call IS NOT NULL",
  record_tool: "CREATE INDEX record_tool ON record (tool) WHERE tool IS NOT NULL",
  record_rare_kind: `CREATE INDEX record_rare_kind ON record (nullif(nullif(kind, 'intent'), 'outcome'))
WHERE nullif(nullif(kind, 'intent'), 'outcome') IS NOT NULL`,
  record_rare_verdict: `CREATE INDEX record_rare_verdict ON record (nullif(verdict, 'allow'))
WHERE nullif(verdict, 'allow') IS NOT NULL`,
  record_rare_status: `CREATE INDEX record_rare_status ON record (nullif(status, 'ok'))
WHERE nullif(status, 'ok') IS NOT NULL`,
  record_rare_tool: `CREATE INDEX record_rare_tool ON record (tool, nullif(verdict, 'allow'))
WHERE nullif(verdict, 'allow') IS NOT NULL`,
  // REPLACE deletes without a delete trigger; it comes through here first.
  record_append: `CREATE TRIGGER record_append BEFORE INSERT ON record
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM record)
BEGIN SELECT raise(ABORT, 'records are only appended, without gaps'); END`,
  record_update: `CREATE TRIGGER record_update BEFORE UPDATE ON record
BEGIN SELECT raise(ABORT, 'records are never changed'); END`,
  record_delete: `CREATE TRIGGER record_delete BEFORE DELETE ON record
BEGIN SELECT raise(ABORT, 'records are never deleted'); END`,
  payload_append: `CREATE TRIGGER payload_append BEFORE INSERT ON payload
WHEN NEW.seq IS NOT (SELECT max(seq) FROM record)
  OR EXISTS (SELECT 1 FROM payload WHERE seq = NEW.seq AND name = NEW.name)
BEGIN SELECT raise(ABORT, 'payloads are only appended, with their record'); END`,
  payload_update: `CREATE TRIGGER payload_update BEFORE UPDATE ON payload
BEGIN SELECT raise(ABORT, 'payloads are never changed'); END`,
  payload_delete: `CREATE TRIGGER payload_delete BEFORE DELETE ON payload
BEGIN SELECT raise(ABORT, 'payloads are never deleted'); END`,
  tile_append: `CREATE TRIGGER tile_append BEFORE INSERT ON tile
WHEN NEW.idx IS NOT (SELECT coalesce(max(idx), -1) + 1 FROM tile WHERE level = NEW.level)
BEGIN SELECT raise(ABORT, 'tiles are only appended, without gaps'); END`,
  tile_update: `CREATE TRIGGER tile_update BEFORE UPDATE ON tile
BEGIN SELECT raise(ABORT, 'tiles are never changed'); END`,
  tile_delete: `CREATE TRIGGER tile_delete BEFORE DELETE ON tile
BEGIN SELECT raise(ABORT, 'tiles are never deleted'); END`,
  checkpoint_append: `CREATE TRIGGER checkpoint_append BEFORE INSERT ON checkpoint
WHEN NEW.size IS NOT (SELECT max(seq) FROM record) OR EXISTS (SELECT 1 FROM checkpoint WHERE size = NEW.size)
BEGIN SELECT raise(ABORT, 'checkpoints are only appended, for the newest record'); END`,
  checkpoint_update: `CREATE TRIGGER checkpoint_update BEFORE UPDATE ON checkpoint
BEGIN SELECT raise(ABORT, 'checkpoints are never changed'); END`,
  checkpoint_delete: `CREATE TRIGGER checkpoint_delete BEFORE DELETE ON checkpoint
BEGIN SELECT raise(ABORT, 'checkpoints are never deleted'); END`,
  meta_append: `CREATE TRIGGER meta_append BEFORE INSERT ON meta
WHEN EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
  meta_update: `CREATE TRIGGER meta_update BEFORE UPDATE ON meta
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
  meta_delete: `CREATE TRIGGER meta_delete BEFORE DELETE ON meta
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
};

/** Who a log is. */
export interface Identity {
  readonly log: string;
  /** The key that its checkpoints are signed with, as a verifier key of a C2SP signed note. */
  readonly vkey: string;
}

/** The statements that make all tables, indexes and triggers. */
export const SCHEMA: readonly string[] = Object.values(OBJECTS);

/** Makes all tables, indexes and triggers in an empty file, and names the log; within the caller's transaction. */
export function createSchema(db: Database, { log, vkey }: Identity): void {
  for (const sql of SCHEMA) db.exec(sql);
  const insert = db.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
  insert.run("format", FORMAT);
  insert.run("log", log);
  insert.run("vkey", vkey);
  insert.run("schema", digestOfJson(schemaOf(db)));
}

/**
 * All tables, indexes and triggers, whatever their name: SQLite runs a trigger called `sqlite_..` too. Left out are only the indexes
 * that SQLite makes by itself, which have no text. Sorted: archiving makes triggers anew, which gives them other places in the file.
 */
function schemaOf(db: Database): [type: string, name: string, sql: string][] {
  return db
    .prepare(
      `SELECT type, name, sql FROM sqlite_schema
       WHERE NOT (type = 'index' AND name LIKE 'sqlite\\_autoindex\\_%' ESCAPE '\\' AND sql IS NULL) ORDER BY type, name`,
    )
    .raw()
    .all() as [string, string, string][];
}

/** How the file's tables, indexes and triggers differ from what `createSchema` makes; empty if they do not. */
export function schemaProblems(db: Database): string[] {
  const rows = schemaOf(db);
  const problems: string[] = [];
  const found = new Set<string>();
  for (const [type, name, sql] of rows) {
    found.add(name);
    const expected = OBJECTS[name];
    if (expected === undefined) problems.push(`the ${type} \`${name}\` is not part of a ledger`);
    else if (expected !== sql) problems.push(`the ${type} \`${name}\` is not as it was made`);
  }
  for (const [name, sql] of Object.entries(OBJECTS)) {
    if (!found.has(name)) problems.push(`the ${/^CREATE (\w+)/.exec(sql)?.[1]?.toLowerCase()} \`${name}\` is missing`);
  }
  if (problems.length === 0 && readMeta(db, "schema") !== digestOfJson(rows))
    problems.push("it says that its tables were made otherwise");
  return problems;
}

/** Drops the triggers that keep rows of `table` from being changed, runs `change`, and makes them anew as they were. */
export function withoutTriggers(db: Database, tables: readonly string[], change: () => void): void {
  const names = tables.flatMap((table) => [`${table}_append`, `${table}_update`, `${table}_delete`]);
  for (const name of names) db.exec(`DROP TRIGGER ${name}`);
  change();
  for (const name of names) db.exec(OBJECTS[name] as string);
}

/** The statements that make the tables of records and payloads, without anything that guards them. */
export const SEGMENT_TABLES: readonly string[] = [OBJECTS["record"] as string, OBJECTS["payload"] as string];

/** One entry of the `meta` table. */
export function readMeta(db: Database, key: string): string | undefined {
  return db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck().get(key);
}
