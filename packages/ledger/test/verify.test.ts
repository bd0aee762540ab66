import { canonicalJson, digestOf, type LedgerRecord } from "@callgate/core";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { ledgerPath } from "../src/folder.ts";
import { openLedger, openReader } from "../src/index.ts";
import { leafHash } from "../src/merkle.ts";
import { dataFolder } from "./folder.ts";
import { tamper } from "./tamper.ts";

/** A ledger of a boot record and nine intents, each with arguments and facts. */
async function filled(): Promise<string> {
  const folder = dataFolder();
  const ledger = await openLedger({ folder });
  for (let i = 2; i <= 10; i++) {
    const args = JSON.stringify({ i });
    const facts = JSON.stringify({ time: i });
    await ledger.append({
      kind: "intent",
      call: `c${i}`,
      agent: "bot",
      args: digestOf(args),
      detail: { facts: digestOf(facts) },
      payloads: { args, facts },
    });
  }
  await ledger.close();
  return folder;
}

/** Changes a leaf and makes its hash fit. */
function rewrite(db: Database.Database, seq: number, edit: (record: Record<string, unknown>) => void): void {
  const record = JSON.parse(db.prepare("SELECT leaf FROM record WHERE seq = ?").pluck().get(seq) as string);
  edit(record);
  const leaf = canonicalJson(record);
  db.prepare("UPDATE record SET leaf = ?, hash = ? WHERE seq = ?").run(leaf, leafHash(leaf), seq);
}

const sql = (text: string) => (db: Database.Database) => {
  db.exec(text);
};

const COLUMNS = "kind, ts, agent, session, call, tool, verdict, status, hash, leaf";

async function findings(change: (db: Database.Database) => void): Promise<string[]> {
  const folder = await filled();
  tamper(folder, change);
  const reader = openReader(folder);
  const { ok, findings } = reader.verify();
  reader.close();
  expect(ok).toBe(findings.length === 0);
  return findings.map((f) => `${f.seq}: ${f.problem}`);
}

describe("verify", () => {
  it("finds nothing wrong where nothing is", async () => {
    const folder = await filled();
    const reader = openReader(folder);
    const seen: string[] = [];
    const verification = reader.verify((done, total) => seen.push(`${done}/${total}`));
    expect(verification).toEqual({ ok: true, records: 10, head: reader.show(10)?.hash, findings: [] });
    expect(seen.at(-1)).toBe("10/10");
    reader.close();
  });

  it.each<[string, (db: Database.Database) => void, string[]]>([
    [
      "an edited leaf",
      sql('UPDATE record SET leaf = replace(leaf, \'"agent":"bot"\', \'"agent":"cat"\') WHERE seq = 4'),
      [
        "4: the leaf does not match its hash",
        "4: the column `agent` differs from the leaf",
        "4: its checkpoint is not that of the records up to it",
        "5: the leaf does not follow from the one before",
      ],
    ],
    [
      "an edited leaf whose hash and columns fit",
      (db) => {
        rewrite(db, 4, (record) => {
          record.agent = "cat";
        });
        db.exec("UPDATE record SET agent = 'cat' WHERE seq = 4");
      },
      ["4: its checkpoint is not that of the records up to it", "5: the leaf does not follow from the one before"],
    ],
    [
      "a leaf that is not canonical",
      sql("UPDATE record SET leaf = replace(leaf, ',\"v\":2', ', \"v\":2') WHERE seq = 10"),
      [
        "10: the leaf does not match its hash",
        "10: the leaf is not canonical JSON",
        "10: its checkpoint is not that of the records up to it",
      ],
    ],
    [
      "a leaf whose members are out of order",
      sql(`UPDATE record SET leaf = '{"v":2,' || replace(substr(leaf, 2), ',"v":2', '') WHERE seq = 10`),
      [
        "10: the leaf does not match its hash",
        "10: the leaf is not canonical JSON",
        "10: its checkpoint is not that of the records up to it",
      ],
    ],
    [
      "a leaf with a lone surrogate",
      sql('UPDATE record SET leaf = replace(leaf, \'"v":2\', \'"user":"\\ud800","v":2\') WHERE seq = 10'),
      [
        "10: the leaf does not match its hash",
        expect.stringMatching(/^10: the leaf cannot be read: /),
        "10: its checkpoint is not that of the records up to it",
      ],
    ],
    [
      "a leaf that is no JSON",
      sql("UPDATE record SET leaf = 'x' WHERE seq = 10"),
      [
        "10: the leaf does not match its hash",
        expect.stringMatching(/^10: the leaf cannot be read: /),
        "10: its checkpoint is not that of the records up to it",
      ],
    ],
    [
      "an edited hash",
      sql("UPDATE record SET hash = zeroblob(32) WHERE seq = 4"),
      ["4: the leaf does not match its hash"],
    ],
    [
      "a deleted record",
      sql("DELETE FROM payload WHERE seq = 4; DELETE FROM record WHERE seq = 4"),
      ["5: record 4 is missing", "5: the leaf does not follow from the one before"],
    ],
    [
      "deleted records whose payloads stay",
      sql("DELETE FROM record WHERE seq IN (4, 5)"),
      [
        "6: records 4 to 5 are missing",
        ...["4", "4", "5", "5"].map((seq) => `${seq}: there is a payload without a record`),
        "6: the leaf does not follow from the one before",
      ],
    ],
    [
      "a deleted beginning",
      sql("DELETE FROM payload WHERE seq < 3; DELETE FROM record WHERE seq < 3"),
      ["3: records 1 to 2 are missing", "3: the leaf does not follow from the one before"],
    ],
    [
      "a deleted end whose payloads stay",
      sql("DELETE FROM record WHERE seq = 10"),
      [
        "10: there is a payload without a record",
        "10: there is a payload without a record",
        "9: the newest checkpoint is not that of the newest record",
      ],
    ],
    [
      "an inserted record",
      (db) => {
        db.exec(`INSERT INTO record SELECT 11, ${COLUMNS} FROM record WHERE seq = 4`);
        rewrite(db, 11, (record) => {
          record.seq = 11;
        });
      },
      [
        "11: the leaf does not follow from the one before",
        "11: the newest checkpoint is not that of the newest record",
      ],
    ],
    [
      "a record before the first",
      sql(`INSERT INTO record SELECT 0, ${COLUMNS} FROM record WHERE seq = 1`),
      expect.arrayContaining(["0: there is a record before the first"]),
    ],
    [
      "two records in each other's place",
      sql(`UPDATE record SET seq = 99 WHERE seq = 4; UPDATE record SET seq = 4 WHERE seq = 5; UPDATE record SET seq = 5 WHERE seq = 99;
        UPDATE payload SET seq = 99 WHERE seq = 4; UPDATE payload SET seq = 4 WHERE seq = 5; UPDATE payload SET seq = 5 WHERE seq = 99`),
      [
        "4: the leaf says it is record 5",
        "4: the leaf does not follow from the one before",
        "4: its checkpoint is not that of the records up to it",
        "5: the leaf says it is record 4",
        "5: the leaf does not follow from the one before",
        "6: the leaf does not follow from the one before",
      ],
    ],
    ...["kind", "agent", "session", "call", "tool", "verdict", "status"].map(
      (column): [string, (db: Database.Database) => void, string[]] => [
        `an edited column ${column}`,
        sql(`UPDATE record SET ${column} = 'x' WHERE seq = 4`),
        [`4: the column \`${column}\` differs from the leaf`],
      ],
    ),
    [
      "an edited time",
      sql("UPDATE record SET ts = ts - 1 WHERE seq = 4"),
      ["4: the column `ts` differs from the leaf"],
    ],
    [
      "edited arguments",
      sql("UPDATE payload SET data = zeroblob(40) WHERE seq = 4 AND name = 'args'"),
      ["4: the payload `args` does not match its digest"],
    ],
    [
      "edited facts",
      sql("UPDATE payload SET data = zeroblob(40) WHERE seq = 4 AND name = 'facts'"),
      ["4: the payload `facts` does not match its digest"],
    ],
    [
      "an added payload",
      sql("INSERT INTO payload VALUES (4, 'result', zeroblob(40))"),
      ["4: there is a payload `result` that the leaf does not name"],
    ],
    [
      "another log's identity",
      sql("UPDATE meta SET value = 'log_x' WHERE key = 'log'"),
      [
        "1: the leaf belongs to another log",
        "1: its checkpoint is another's",
        ...Array.from({ length: 9 }, (_, i) => `${i + 2}: the leaf belongs to another log`),
      ],
    ],
  ])("finds %s", async (_, change, expected) => {
    expect(await findings(change)).toEqual(expected);
  });

  it.each([
    ["DROP TRIGGER record_delete", "the trigger `record_delete` is missing"],
    ["DROP INDEX record_agent", "the index `record_agent` is missing"],
    ["CREATE TABLE notes (text TEXT)", "the table `notes` is not part of a ledger"],
    [
      "DROP TRIGGER record_delete; CREATE TRIGGER record_delete BEFORE DELETE ON record WHEN 0 BEGIN SELECT 1; END",
      "the trigger `record_delete` is not as it was made",
    ],
  ])("finds a changed schema: %s", async (change, problem) => {
    const folder = await filled();
    const db = new Database(ledgerPath(folder));
    db.exec(change);
    db.close();
    const reader = openReader(folder);
    expect(reader.verify()).toMatchObject({ ok: false, findings: [{ seq: 0, problem }] });
    reader.close();
  });

  it("checks more records than it reads at a time", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    const text = "{}";
    const draft = { kind: "outcome", result: digestOf(text), payloads: { result: text } } as const;
    await Promise.all(Array.from({ length: 2499 }, () => ledger.append(draft)));
    await ledger.close();
    tamper(folder, sql("UPDATE payload SET data = zeroblob(40) WHERE seq IN (1000, 1001, 2500)"));
    const reader = openReader(folder);
    const verification = reader.verify();
    expect(verification.records).toBe(2500);
    expect(verification.findings.map((f) => f.seq)).toEqual([1000, 1001, 2500]);
    const head = reader.query({ limit: 1 })[0] as LedgerRecord;
    expect(verification.head).toBe(`sha256:${leafHash(canonicalJson(head)).toString("hex")}`);
    reader.close();
  });
});
