import { cpSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { archiveSegments, openLedger, shredSession } from "@callgate/ledger";
import { type Report, type VerifyOptions, verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { attack, type Change, resigned, sql } from "./attacker.ts";
import { work } from "./stage.ts";

let folder: Folder;
let sealed: string;
let archived: string;
let segments: string;
let anchor: string;
let copies = 0;

/** Three segments of some 300 records, and some more; the first two were archived. */
beforeAll(async () => {
  folder = makeFolder("ledger-segments");
  const at = (name: string): string => join(folder.path, name);
  [sealed, archived, segments, anchor] = [at("sealed"), at("archived"), at("segments"), at("anchor.jsonl")];
  const anchors = [{ to: `file:${anchor}` }];
  const ledger = await openLedger({ folder: sealed, sync: "off", anchors });
  for (const name of ["one", "two", "three"]) {
    await work(ledger, 150, name, "at once");
    await ledger.seal();
  }
  await work(ledger, 5, "more");
  await ledger.close();
  cpSync(sealed, archived, { recursive: true });
  await archiveSegments({ folder: archived, anchors }, { before: 700, to: segments });
});
afterAll(() => folder.remove());

const verify = (ledger: string, more: Partial<VerifyOptions> = {}): Promise<Report> =>
  verifyLedger({ ledger, anchors: [`file:${anchor}`], ...more });
const inShort = ({ exitCode, first }: Report): string => `${exitCode} ${first?.code ?? ""} ${first?.seq ?? ""}`.trim();

function copyOf(original: string): string {
  const copy = join(folder.path, `copy-${++copies}`);
  cpSync(original, copy, { recursive: true });
  return copy;
}

test("what remains after archiving is clean, and says what it could not check", async () => {
  const report = await verify(archived);
  expect(report).toMatchObject({ verdict: "clean", completeness: "complete", findings: [] });
  // The first seal was archived with the segment after its own.
  expect(report.counts.seals).toBe(2);
  expect(report.counts.archived).toBeGreaterThan(600);
  expect(report.unchecked.join()).toMatch(/the content of \d+ archived records: only their hashes are here/);
});

test("with its segments all of it is checked", async () => {
  expect(readdirSync(segments)).toHaveLength(2);
  const report = await verify(archived, { segments });
  expect(report).toMatchObject({ verdict: "clean", counts: { archived: 0, seals: 3 }, findings: [] });
  expect(report.counts.records).toBe(report.head?.size);
  expect(report.counts.payloads).toBe(455 * 3);
});

test("a record in a segment is edited", async () => {
  const copy = copyOf(segments);
  const db = new DatabaseSync(join(copy, readdirSync(copy).sort()[0] as string));
  db.exec("UPDATE record SET agent = 'x' WHERE seq = 9");
  db.exec("DELETE FROM record WHERE seq = 12");
  db.close();
  const report = await verify(archived, { segments: copy });
  expect(report.findings.map(({ code, seq }) => `${code} ${seq}`)).toEqual(
    expect.arrayContaining(["column 9", "segment 1"]),
  );
});

test("the kept hash of an archived record is edited", async () => {
  const copy = copyOf(archived);
  const edit = "UPDATE tile SET data = CAST(zeroblob(32) || substr(data, 33) AS BLOB) WHERE level = 0 AND idx = 1";
  attack(copy, sql(edit));
  expect(inShort(await verify(copy))).toMatch(/^1 (?:seal|anchor-root|checkpoint-root) \d+$/);
});

test("records are taken out as if they had been archived", async () => {
  const copy = copyOf(sealed);
  attack(copy, (db) => {
    for (const index of [0, 1]) {
      const rows = db
        .prepare("SELECT hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq")
        .all(index * 256, Math.min(301, (index + 1) * 256)) as { hash: Uint8Array }[];
      db.prepare("INSERT INTO tile VALUES (0, ?, ?)").run(index, Buffer.concat(rows.map(({ hash }) => hash)));
    }
    db.exec("DELETE FROM payload WHERE seq <= 301; DELETE FROM record WHERE seq <= 301");
  });
  const report = await verify(copy);
  expect(inShort(report)).toBe("1 missing 1");
  expect(report.first?.problem).toBe("records 1 to 301 are gone, and no record says that they were archived");
});

test.each<[string, string, RegExp]>([
  ["end", `replace(leaf, '"to":301', '"to":300')`, /the seal of the records 1 to 300 does not go on from 0/],
  ["root", `replace(leaf, '"root":"', '"root":"A')`, /the records 1 to 301 are not those that were sealed/],
])("a seal's %s is edited, and all that follows signed anew", async (_, edit, problem) => {
  const copy = copyOf(sealed);
  attack(copy, resigned(`UPDATE record SET leaf = ${edit} WHERE seq = 302`));
  const report = await verifyLedger({ ledger: copy });
  expect(report).toMatchObject({ exitCode: 1, first: { code: "seal", seq: 302 } });
  expect(report.first?.problem).toMatch(problem);
});

test("a session is shredded; its key is taken away without a word", async () => {
  const copy = copyOf(sealed);
  await shredSession({ folder: copy }, "ses_1");
  const report = await verifyLedger({ ledger: copy });
  expect(report).toMatchObject({ verdict: "clean", findings: [] });
  expect(report.counts.shredded).toBe(152 * 3);

  const db = new DatabaseSync(join(copy, "payload-keys.db"));
  db.exec("DELETE FROM key WHERE session = 'ses_2'");
  db.close();
  const without = await verifyLedger({ ledger: copy });
  expect(without).toMatchObject({ exitCode: 2, first: { code: "key-missing" } });
  expect(without.first?.problem).toMatch(/session `ses_2` is gone, and no record says that they were shredded/);
});

test("a session's key is exchanged", async () => {
  const copy = copyOf(sealed);
  const db = new DatabaseSync(join(copy, "payload-keys.db"));
  db.exec("UPDATE key SET key = zeroblob(32) WHERE session = 'ses_2'");
  db.close();
  expect(inShort(await verifyLedger({ ledger: copy }))).toMatch(/^1 payload-open \d+$/);
});

/** Takes records out of a ledger and keeps their hashes, as archiving does. */
const takeOut =
  (to: number): Change =>
  (db) => {
    for (let index = 0; index * 256 < to; index++) {
      const kept = db.prepare("SELECT data FROM tile WHERE level = 0 AND idx = ?").get(index) as
        | { data: Uint8Array }
        | undefined;
      const from = index * 256 + (kept?.data.length ?? 0) / 32;
      const rows = db
        .prepare("SELECT hash FROM record WHERE seq > ? AND seq <= ? ORDER BY seq")
        .all(from, Math.min(to, (index + 1) * 256)) as { hash: Uint8Array }[];
      const hashes = Buffer.concat([...(kept ? [kept.data] : []), ...rows.map(({ hash }) => hash)]);
      db.prepare("INSERT OR REPLACE INTO tile VALUES (0, ?, ?)").run(index, hashes);
    }
    db.exec(`DELETE FROM payload WHERE seq <= ${to}; DELETE FROM record WHERE seq <= ${to}`);
  };

/** Makes a segment's file of records that the ledger still has, with changes to it. */
function forge(ledger: string, into: string, from: number, to: number, changes: string): void {
  const db = new DatabaseSync(join(into, "forged.segment.db"));
  db.exec(`ATTACH '${join(ledger, "ledger.db")}' AS ledger`);
  const tables = "SELECT sql FROM ledger.sqlite_schema WHERE type = 'table' AND name IN ('record', 'payload')";
  for (const { sql: made } of db.prepare(tables).all() as { sql: string }[]) db.exec(made);
  for (const table of ["record", "payload"])
    db.exec(`INSERT INTO main.${table} SELECT * FROM ledger.${table} WHERE seq BETWEEN ${from} AND ${to}`);
  db.exec(changes);
  db.close();
}

test("a forged segment says that records which were taken out had been archived", async () => {
  const [copy, there] = [copyOf(sealed), join(folder.path, "forged")];
  await archiveSegments({ folder: copy }, { before: 400, to: there });
  const leaf = JSON.stringify({ detail: { archived: { to: 602 } } });
  forge(copy, there, 603, 903, `UPDATE record SET kind = 'config', leaf = '${leaf}' WHERE seq = 606`);
  // The seal of the first segment was archived with the second, and goes with it.
  attack(copy, takeOut(602));
  const report = await verifyLedger({ ledger: copy, segments: there });
  expect(report.findings).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        code: "missing",
        problem: "records 1 to 602 are gone, and no record says that they were archived",
      }),
      expect.objectContaining({ code: "segment", seq: 606 }),
    ]),
  );
  expect(report.exitCode).toBe(1);
});

test("a segment beside the ledger that still has its records is compared with it", async () => {
  const there = join(folder.path, "beside");
  mkdirSync(there);
  forge(sealed, there, 302, 602, "");
  expect(await verifyLedger({ ledger: sealed, segments: there })).toMatchObject({ verdict: "clean", findings: [] });
  rmSync(there, { recursive: true });
  mkdirSync(there);
  forge(sealed, there, 302, 602, "UPDATE payload SET data = zeroblob(40) WHERE seq = 310");
  expect((await verifyLedger({ ledger: sealed, segments: there })).first).toMatchObject({ code: "segment", seq: 310 });
});

test("a record that was deleted is not made good by a segment that was copied and not archived", async () => {
  const [copy, there] = [copyOf(sealed), join(folder.path, "not-archived")];
  mkdirSync(there);
  forge(sealed, there, 302, 602, "");
  attack(copy, sql("DELETE FROM payload WHERE seq = 400; DELETE FROM record WHERE seq = 400"));
  const { exitCode, findings } = await verifyLedger({ ledger: copy, segments: there });
  expect(exitCode).toBe(1);
  expect(findings).toContainEqual(expect.objectContaining({ code: "missing", seq: 400 }));
});
