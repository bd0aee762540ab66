import type { Database } from "better-sqlite3";

/** Changes with every change of tables, triggers or leaves. */
export const FORMAT = "callgate-ledger/1";

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
  text TEXT NOT NULL,
  PRIMARY KEY (seq, name)
) STRICT, WITHOUT ROWID`,
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
  meta_append: `CREATE TRIGGER meta_append BEFORE INSERT ON meta
WHEN EXISTS (SELECT 1 FROM meta WHERE key = NEW.key)
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
  meta_update: `CREATE TRIGGER meta_update BEFORE UPDATE ON meta
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
  meta_delete: `CREATE TRIGGER meta_delete BEFORE DELETE ON meta
BEGIN SELECT raise(ABORT, 'the log''s identity is never changed'); END`,
};

/** Makes all tables, indexes and triggers in an empty file, and names the log; in one transaction. */
export function createSchema(db: Database, log: string): void {
  db.exec("BEGIN IMMEDIATE");
  for (const sql of Object.values(OBJECTS)) db.exec(sql);
  const insert = db.prepare("INSERT INTO meta (key, value) VALUES (?, ?)");
  insert.run("format", FORMAT);
  insert.run("log", log);
  db.exec("COMMIT");
}

/** How the file's tables, indexes and triggers differ from what `createSchema` makes; empty if they do not. */
export function schemaProblems(db: Database): string[] {
  const rows = db
    .prepare<[], { type: string; name: string; sql: string }>(
      "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .all();
  const problems: string[] = [];
  const found = new Set<string>();
  for (const { type, name, sql } of rows) {
    found.add(name);
    const expected = OBJECTS[name];
    if (expected === undefined) problems.push(`the ${type} \`${name}\` is not part of a ledger`);
    else if (expected !== sql) problems.push(`the ${type} \`${name}\` is not as it was made`);
  }
  for (const [name, sql] of Object.entries(OBJECTS)) {
    if (!found.has(name)) problems.push(`the ${/^CREATE (\w+)/.exec(sql)?.[1]?.toLowerCase()} \`${name}\` is missing`);
  }
  return problems;
}

/** One entry of the `meta` table. */
export function readMeta(db: Database, key: string): string | undefined {
  return db.prepare<[string], string>("SELECT value FROM meta WHERE key = ?").pluck().get(key);
}
