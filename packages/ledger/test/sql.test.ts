import { cpSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf } from "@callgate/core";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { holdFileKey, openDataFile, openLedger, openReader, runSql, type SqlValue } from "../src/index.ts";
import { tamper } from "./tamper.ts";

const root = mkdtempSync(join(tmpdir(), "callgate-sql-"));
let folder: string;
const elsewhere = join(root, "elsewhere.db");
beforeAll(() => void new Database(elsewhere).exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)").close());
afterAll(() => rmSync(root, { recursive: true }));
async function fill(): Promise<void> {
  const tool = { server: "mail", name: "send", digest: digestOf("d") };
  const ledger = await openLedger({ folder, sync: "off" });
  const common = { agent: "bot", session: "s", call: "c1", tool };
  const args = '{"to":"a@example.com"}';
  await ledger.append({
    ...common,
    kind: "intent",
    user: "ann",
    decision: { verdict: "allow", rules: ["may-mail", "second"], policies: "p" },
    args: digestOf(args),
    payloads: { args },
  });
  await ledger.append({ ...common, kind: "outcome", status: "ok", ms: 12 });
  await ledger.append({
    ...common,
    kind: "denial",
    call: "c2",
    decision: { verdict: "deny", rules: ["no"], policies: "p" },
    error: { code: "no", message: "not now" },
  });
  await ledger.close();
}

async function rows(sql: string, limits = { rows: 100, ms: 20_000 }): Promise<SqlValue[][]> {
  const found: SqlValue[][] = [];
  await runSql(folder, sql, limits, { columns: () => {}, row: (values) => found.push([...values]) });
  return found;
}

describe.each([
  { form: "plain", key: undefined },
  { form: "encrypted", key: "5f".repeat(32) },
])("runSql on a ledger that is $form", ({ form, key }) => {
  beforeAll(async () => {
    folder = join(root, form);
    holdFileKey(folder, key);
    await fill();
  });

  it("gives the views, with an index behind them", async () => {
    expect(
      await rows("SELECT seq, agent, user, tool, verdict, rule, status, ms, error FROM records WHERE seq > 1"),
    ).toEqual([
      [2, "bot", "ann", "mail__send", "allow", "may-mail", null, null, null],
      [3, "bot", null, "mail__send", null, null, "ok", 12, null],
      [4, "bot", null, "mail__send", "deny", "no", null, null, "no"],
    ]);
    expect(await rows("SELECT call, verdict, status, ms, message, outcome FROM calls ORDER BY call")).toEqual([
      ["c1", "allow", "ok", 12, null, 3],
      ["c2", "deny", null, null, "not now", null],
    ]);
    const plan = await rows("EXPLAIN QUERY PLAN SELECT * FROM calls WHERE agent = 'bot'");
    expect(plan.map((row) => row[3])).toEqual([
      expect.stringContaining("record_agent"),
      expect.stringContaining("record_call"),
    ]);
    const cte =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3) SELECT sum(i), count(*) FROM n";
    expect(await rows(cte)).toEqual([[6, 3]]);
    expect(await rows("SELECT value FROM records, json_each(rules) WHERE seq = 2")).toEqual([["may-mail"], ["second"]]);
    expect(await rows("SELECT 9007199254740993, x'00ff', 1.5, 'a;b' ; -- all of it")).toEqual([
      ["9007199254740993", "00ff", 1.5, "a;b"],
    ]);
  });

  it.each([
    ["ATTACH '{elsewhere}' AS x", "no other file can be attached"],
    ["DETACH main", "nothing can be detached"],
    ["VACUUM", "nothing can be changed here"],
    ["VACUUM INTO '{made}'", "nothing can be changed here"],
    ["PRAGMA query_only = OFF", "the pragma `query_only` is not available"],
    ["PRAGMA writable_schema = ON", "the pragma `writable_schema` is not available"],
    ["SELECT * FROM pragma_database_list", "the table `pragma_database_list` cannot be read here"],
    ["SELECT load_extension('x')", "the function `load_extension` is not available"],
    ["SELECT zeroblob(1000000000)", "the function `zeroblob` is not available"],
    ["SELECT * FROM payload", "the table `payload` cannot be read here"],
    ["SELECT count(*) FROM payload", "the table `payload` cannot be read here"],
    ["SELECT count(*) FROM main.payload AS record", "the table `payload` cannot be read here"],
    ["SELECT seq FROM records WHERE EXISTS (SELECT 1 FROM PayLoad)", "the table `PayLoad` cannot be read here"],
    ["SELECT value FROM meta", "the table `meta` cannot be read here"],
    ["SELECT note FROM checkpoint", "the table `checkpoint` cannot be read here"],
    ["SELECT sql FROM sqlite_schema", "the table `sqlite_master` cannot be read here"],
    ["SELECT * FROM dbstat", "the table `dbstat` cannot be read here"],
    ["SELECT count(*) FROM sqlite_dbpage", undefined],
    ["INSERT INTO record (seq) VALUES (9)", "nothing can be changed here"],
    ["UPDATE record SET agent = 'x'", "nothing can be changed here"],
    ["DELETE FROM record", "nothing can be changed here"],
    ["WITH r AS (SELECT 1) DELETE FROM record", "nothing can be changed here"],
    ["DROP TRIGGER record_delete", "nothing can be changed here"],
    ["CREATE TABLE t (x)", "nothing can be changed here"],
    ["CREATE TEMP TABLE t (x)", "nothing can be changed here"],
    ["CREATE TEMP VIEW v AS SELECT * FROM payload", "nothing can be changed here"],
    ["CREATE VIRTUAL TABLE temp.v USING fts5(x)", "nothing can be changed here"],
    ["CREATE TEMP TRIGGER t AFTER INSERT ON record BEGIN SELECT 1; END", "nothing can be changed here"],
    ["DROP VIEW temp.records", "nothing can be changed here"],
    ["REINDEX", "nothing can be changed here"],
    ["ANALYZE", "nothing can be changed here"],
    ["ALTER TABLE record RENAME TO r", "nothing can be changed here"],
    ["BEGIN", "there are no transactions here"],
    ["SAVEPOINT s", "there are no transactions here"],
    ["SELECT 1; DELETE FROM record", "only one statement can be run"],
    ["SELECT 1; /* ; */ SELECT 2", "only one statement can be run"],
    ["SELECT '\ud800', (SELECT hex(data) FROM payload LIMIT 1) -- '", "the table `payload` cannot be read here"],
    ["SELECT 1\0; DELETE FROM record", "only one statement can be run"],
    ["SELECT 'a", undefined],
    ["", undefined],
    ["SELECT nope FROM records", "no such column: nope"],
  ])("refuses `%s`", async (sql, message) => {
    const made = join(root, "made.db");
    const statement = sql.replace("{elsewhere}", elsewhere).replace("{made}", made);
    await expect(rows(statement)).rejects.toMatchObject({
      code: "SQL_REFUSED",
      ...(message !== undefined && { message }),
    });
    expect(existsSync(made)).toBe(false);
  });

  it("runs the very text that it looked at, whatever half a character does to the quote behind it", async () => {
    const text = "SELECT '\ud800' FROM records LIMIT 1 -- ', (SELECT hex(data) FROM payload LIMIT 1)";
    expect(await rows(text)).toEqual([["\ufffd"]]);
  });

  it("says nothing of a leaf that is no JSON, and all of the others", async () => {
    const copy = join(root, `edited-${form}`);
    cpSync(folder, copy, { recursive: true });
    holdFileKey(copy, key);
    tamper(copy, (db) => void db.exec("UPDATE record SET leaf = 'not json' WHERE seq = 2"));
    const found: SqlValue[][] = [];
    const sink = { columns: () => {}, row: (values: readonly SqlValue[]) => found.push([...values]) };
    await runSql(
      copy,
      "SELECT seq, agent, rule, rules, detail IS NULL FROM records WHERE seq > 1",
      { rows: 9, ms: 20_000 },
      sink,
    );
    expect(found).toEqual([
      [2, "bot", null, null, 1],
      [3, "bot", null, null, 1],
      [4, "bot", "no", '["no"]', 1],
    ]);
    await runSql(copy, "SELECT count(*), count(rule) FROM calls", { rows: 9, ms: 20_000 }, sink);
    expect(found.at(-1)).toEqual([2, 1]);
  });

  it.runIf(key !== undefined)("refuses a file whose table is a view of what may not be read", async () => {
    const copy = join(root, `view-${form}`);
    cpSync(folder, copy, { recursive: true });
    holdFileKey(copy, key);
    const db = openDataFile(join(copy, "ledger.db"));
    db.exec(`ALTER TABLE record RENAME TO kept;
      CREATE VIEW record AS SELECT seq, kind, ts, agent, session, call, (SELECT hex(data) FROM payload LIMIT 1) AS tool,
        verdict, status, hash, leaf FROM kept`);
    db.close();
    const found: SqlValue[][] = [];
    const sink = { columns: () => {}, row: (values: readonly SqlValue[]) => found.push([...values]) };
    const run = runSql(copy, "SELECT tool FROM records", { rows: 9, ms: 20_000 }, sink);
    await expect(run).rejects.toThrow("the file's tables are not those of a ledger");
    expect(found).toEqual([]);
  });

  it("leaves the ledger as it was", () => {
    const reader = openReader(folder);
    expect(reader.verify()).toMatchObject({ ok: true, records: 4 });
    reader.close();
  });

  it("ends what takes too long, gives too much or needs too much memory", async () => {
    const endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT";
    await expect(rows(`${endless} count(*) FROM n`, { rows: 5, ms: 700 })).rejects.toMatchObject({
      code: "SQL_LIMIT",
      message: "the statement took longer than 0.7 s",
    });
    const found: SqlValue[][] = [];
    const sink = { columns: () => {}, row: (values: readonly SqlValue[]) => found.push([...values]) };
    expect(await runSql(folder, `${endless} i FROM n`, { rows: 3, ms: 20_000 }, sink)).toBe(true);
    expect(found).toEqual([[1], [2], [3]]);
  });

  it.runIf(process.platform === "linux")("holds a statement to its memory", async () => {
    const huge =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40) SELECT group_concat(hex(printf('%.*c', 30000000, 'x')), '') FROM n";
    await expect(rows(huge)).rejects.toMatchObject({ code: expect.stringMatching(/^SQL_(?:LIMIT|REFUSED)$/) });
  });
});
