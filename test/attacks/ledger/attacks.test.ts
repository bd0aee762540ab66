import { createHash, generateKeyPairSync } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { canonicalJson } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import { type Report, verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { attack, type Change, resigned, sql } from "./attacker.ts";
import { leafHash, rebuild, signedCheckpoint } from "./rebuild.ts";
import { makeStage, type Stage, work } from "./stage.ts";

let folder: Folder;
let stage: Stage;
let copies = 0;

beforeAll(async () => {
  folder = makeFolder("ledger-attacks");
  stage = await makeStage(folder);
});
afterAll(() => folder.remove());

/** A copy of a data folder, to be attacked. */
function copyOf(original: string): string {
  const copy = join(folder.path, `copy-${++copies}`);
  cpSync(original, copy, { recursive: true });
  return copy;
}

const alone = (ledger: string): Promise<Report> => verifyLedger({ ledger });
const anchored = (ledger: string): Promise<Report> =>
  verifyLedger({ ledger, anchors: [`file:${stage.anchor}`], vkey: stage.vkey });

/** What a report comes to, in short: exit code, first bad record, and what is wrong with it. */
const inShort = ({ exitCode, first }: Report): string =>
  first === undefined
    ? String(exitCode)
    : `${exitCode} ${first.seq ?? "-"}${first.to === undefined ? "" : `-${first.to}`} ${first.code}`;

test("a ledger that nobody touched is clean, and complete to its end", async () => {
  const report = await anchored(stage.now);
  expect(report).toMatchObject({ verdict: "clean", integrity: "intact", completeness: "complete", findings: [] });
  expect(report.completeTo).toBe(report.counts.records);
  expect(report.counts).toMatchObject({ records: 52, payloads: 75, openIntents: 0, shredded: 0 });
  expect(report.counts.opened).toBeGreaterThan(0);
  expect(await alone(stage.now)).toMatchObject({ verdict: "clean", completeness: "unknown" });
});

test("a ledger is clean while its broker writes to it", async () => {
  const [live, anchor] = [join(folder.path, "live"), join(folder.path, "live.jsonl")];
  const ledger = await openLedger({ folder: live, sync: "off", anchors: [{ to: `file:${anchor}` }] });
  await work(ledger, 5, "before");
  let over = false;
  const writing = (async () => {
    for (let i = 0; !over; i++) await work(ledger, 1, `during-${i}`);
  })();
  const sizes: number[] = [];
  for (let i = 0; i < 10; i++) {
    const report = await verifyLedger({ ledger: live });
    expect(report).toMatchObject({ verdict: "clean", findings: [] });
    sizes.push(report.counts.records);
  }
  over = true;
  await writing;
  await ledger.close();
  expect(sizes.at(-1)).toBeGreaterThan(sizes[0] as number);
  expect(await verifyLedger({ ledger: live, anchors: [`file:${anchor}`] })).toMatchObject({ completeness: "complete" });
});

/** Gives a leaf another agent, and the columns with it. */
const edited = (seq: number): string =>
  `UPDATE record SET leaf = replace(leaf, '"agent":"' || agent || '"', '"agent":"nobody"'), agent = 'nobody' WHERE seq = ${seq}`;

const rehash: Change = (db) => {
  db.function("leaf_hash", (leaf) => leafHash(String(leaf)));
  db.exec("UPDATE record SET hash = leaf_hash(leaf)");
};

const both =
  (...changes: Change[]): Change =>
  (db, signer) => {
    for (const change of changes) change(db, signer);
  };

const cut = (seq: number): string => `DELETE FROM record WHERE seq > ${seq}; DELETE FROM payload WHERE seq > ${seq}`;

const swap = (table: string, a: number, b: number): string =>
  `UPDATE ${table} SET seq = -1 WHERE seq = ${a}; UPDATE ${table} SET seq = ${a} WHERE seq = ${b}; UPDATE ${table} SET seq = ${b} WHERE seq = -1`;

const COLUMNS = "kind, ts, agent, session, call, tool, verdict, status, hash, leaf";

describe("what the ledger itself shows", () => {
  test.each<[string, Change, string]>([
    ["a leaf is edited", sql(edited(8)), "1 8 leaf-hash"],
    ["a leaf is edited, and its hash with it", both(sql(edited(8)), rehash), "1 8 checkpoint-root"],
    ["the newest leaf is edited, and its hash with it", both(sql(edited(52)), rehash), "1 52 checkpoint-root"],
    [
      "a leaf is edited, and all but the links signed anew",
      both(sql(edited(8)), (db, signer) => rebuild(db, signer, "kept")),
      "1 9 link",
    ],
    ["a record is deleted", sql("DELETE FROM record WHERE seq = 8; DELETE FROM payload WHERE seq = 8"), "1 8 missing"],
    [
      "the first records are deleted",
      sql("DELETE FROM record WHERE seq < 4; DELETE FROM payload WHERE seq < 4"),
      "1 1-3 missing",
    ],
    ["a record is added", sql(`INSERT INTO record SELECT 53, ${COLUMNS} FROM record WHERE seq = 8`), "1 53 order"],
    [
      "a record is put before the first",
      sql(`INSERT INTO record SELECT -7, ${COLUMNS} FROM record WHERE seq = 8`),
      "1 -7 order",
    ],
    ["two records change places", sql(`${swap("record", 7, 8)}; ${swap("payload", 7, 8)}`), "1 7 order"],
    ["the newest records are deleted", sql(cut(40)), "1 41-52 missing"],
    ["a checkpoint is deleted", sql("DELETE FROM checkpoint WHERE size = 52"), "1 52 checkpoint-missing"],
    [
      "a checkpoint is edited",
      sql(
        "UPDATE checkpoint SET note = replace(note, char(10) || '8' || char(10), char(10) || '9' || char(10)) WHERE size = 8",
      ),
      "1 8 checkpoint",
    ],
    [
      "a checkpoint of another tree is signed",
      (db, signer) => {
        const hashes = Array.from({ length: 8 }, (_, i) => leafHash(String(i)));
        db.prepare("UPDATE checkpoint SET note = ? WHERE size = 8").run(signedCheckpoint(hashes, signer));
      },
      "1 8 checkpoint-root",
    ],
    ...["kind", "agent", "session", "call", "tool", "verdict", "status"].map((column): [string, Change, string] => [
      `the column ${column} is edited`,
      sql(`UPDATE record SET ${column} = 'x' WHERE seq = 8`),
      "1 8 column",
    ]),
    ["the time is edited", sql("UPDATE record SET ts = ts - 1 WHERE seq = 8"), "1 8 column"],
    [
      "a payload is edited",
      sql("UPDATE payload SET data = zeroblob(100) WHERE seq = 8 AND name = 'facts'"),
      "1 8 payload",
    ],
    ["two records' payloads change places", sql(swap("payload", 6, 8)), "1 6 payload"],
    ["a payload is added", sql("INSERT INTO payload VALUES (8, 'result', x'00')"), "1 8 payload"],
    ["a payload is deleted", sql("DELETE FROM payload WHERE seq = 8 AND name = 'args'"), "2 8 payload-missing"],
    ["it is given the name of another log", sql("UPDATE meta SET value = 'log_x' WHERE key = 'log'"), "1 1 log"],
    [
      "its key is exchanged",
      sql(`UPDATE meta SET value = '${newKey()}' WHERE key = 'vkey'`),
      "1 1 checkpoint-signature",
    ],
  ])("%s", async (_, change, expected) => {
    const copy = copyOf(stage.now);
    attack(copy, change);
    expect(inShort(await alone(copy))).toBe(expected);
    // An anchor never makes it look better.
    expect((await anchored(copy)).exitCode).toBe(Number(expected[0]));
  });

  test("a leaf's bytes are changed to others that read the same", async () => {
    const copy = join(folder.path, "bytes");
    const ledger = await openLedger({ folder: copy, sync: "off" });
    await ledger.append({ kind: "denial", error: { code: "no", message: "half a character: \ud83d" } });
    await ledger.close();
    expect(inShort(await alone(copy))).toBe("0");
    attack(copy, sql("UPDATE record SET leaf = CAST(unhex(replace(hex(leaf), 'EFBFBD', 'FF')) AS TEXT) WHERE seq = 2"));
    expect((await alone(copy)).first).toMatchObject({ code: "leaf-form", seq: 2, problem: "the leaf is not UTF-8" });
  });

  test.each<[string, string]>([
    ["goes back without a word", '"ts":"2020-01-01T00:00:00.000Z"'],
    ["is no time", '"ts":"yesterday"'],
    ["is written in another way", '"ts":"2020-01-01T00:00:00Z"'],
  ])("a leaf's time %s, and all is signed anew", async (_, ts) => {
    const copy = copyOf(stage.now);
    attack(copy, (db, signer) => {
      const set = db.prepare("UPDATE record SET leaf = ?, ts = ? WHERE seq = 8");
      const leaf = String(one(db, "SELECT leaf FROM record WHERE seq = 8")).replace(/"ts":"[^"]*"/, ts);
      set.run(leaf, Date.parse("2020-01-01T00:00:00.000Z"));
      rebuild(db, signer);
    });
    expect(inShort(await alone(copy))).toMatch(/^1 8 (?:clock|leaf-form)$/);
  });

  test("a number is larger than any that a ledger has", async () => {
    const copy = copyOf(stage.now);
    attack(copy, sql("UPDATE record SET ts = 9223372036854775807 WHERE seq = 8"));
    expect((await alone(copy)).verdict).toBe("tampered");
  });

  test.each<[string, string, RegExp]>([
    ["a trigger is dropped", "DROP TRIGGER record_delete", /the trigger `record_delete` is missing/],
    [
      "a trigger is made to do nothing",
      "DROP TRIGGER record_update; CREATE TRIGGER record_update BEFORE UPDATE ON record WHEN 0 BEGIN SELECT 1; END",
      /the trigger `record_update` is not as it was made/,
    ],
    [
      "a trigger is added",
      "CREATE TRIGGER more AFTER INSERT ON record BEGIN DELETE FROM payload WHERE seq = 1; END",
      /the trigger `more` is not part of a ledger/,
    ],
  ])("%s, and the file's own word on it rewritten", async (_, change, problem) => {
    const copy = copyOf(stage.now);
    const db = new DatabaseSync(join(copy, "ledger.db"));
    db.exec(change);
    db.exec("DROP TRIGGER meta_update");
    const trigger = stageTrigger("meta_update");
    db.exec(trigger);
    expect((await alone(copy)).first?.problem).toMatch(problem);

    db.exec("DROP TRIGGER meta_update");
    const list = (): unknown[] =>
      db
        .prepare("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite%' ORDER BY type, name")
        .all()
        .map((row) => Object.values(row));
    const after = [...list(), ["trigger", "meta_update", trigger]].sort((a, b) => (String(a) < String(b) ? -1 : 1));
    const digest = createHash("sha256").update(canonicalJson(after)).digest("hex");
    db.prepare("UPDATE meta SET value = ? WHERE key = 'schema'").run(`sha256:${digest}`);
    db.exec(trigger);
    db.close();
    const report = await alone(copy);
    expect(report).toMatchObject({ exitCode: 1, findings: [{ code: "schema" }] });
    expect(report.first?.problem).toMatch(problem);
  });

  test("a record is hidden from queries by an index that leaves it out", async () => {
    const copy = copyOf(stage.now);
    const db = new DatabaseSync(join(copy, "ledger.db"));
    const made = one(db, "SELECT sql FROM sqlite_schema WHERE name = 'record_session'") as string;
    db.exec(`DROP INDEX record_session; ${made} AND session <> 'ses_1'`);
    db.enableDefensive(false);
    db.exec("PRAGMA writable_schema = ON");
    db.prepare("UPDATE sqlite_schema SET sql = ? WHERE name = 'record_session'").run(made);
    db.close();
    const again = new DatabaseSync(join(copy, "ledger.db"), { readOnly: true });
    const found = one(again, "SELECT count(*) FROM record WHERE session = 'ses_1'");
    again.close();
    expect(found).toBe(0);
    const report = await alone(copy);
    expect(report).toMatchObject({ exitCode: 1, first: { code: "pages" } });
    expect(report.first?.problem).toMatch(/missing from index record_session/);
  });
});

describe("what only an anchor shows", () => {
  /** Nothing is wrong with it; held against the anchor, it is this. */
  async function shows(ledger: string, expected: RegExp): Promise<Report> {
    expect(inShort(await alone(ledger))).toBe("0");
    const report = await anchored(ledger);
    expect(inShort(report)).toMatch(expected);
    return report;
  }

  test("the end is cut off, with its checkpoints and tiles", async () => {
    const copy = copyOf(stage.now);
    attack(copy, sql(`${cut(40)}; DELETE FROM checkpoint WHERE size > 40`));
    const report = await shows(copy, /^2 41-52 anchor-short$/);
    expect(report).toMatchObject({ integrity: "intact", completeness: "incomplete" });
    expect(report.first?.problem).toMatch(/has seen 52 records and the ledger has 40: the records 41 to 52 are gone/);
  });

  test("all is rewritten with the key", async () => {
    const copy = copyOf(stage.now);
    attack(copy, resigned(edited(8)));
    const report = await shows(copy, /^1 \d+-\d+ anchor-root$/);
    expect(report.first?.problem).toMatch(/the log was rewritten, or is another branch of it/);
  });

  test("all is rewritten, without a record in the middle", async () => {
    const copy = copyOf(stage.now);
    const shift = (table: string): string =>
      `DELETE FROM ${table} WHERE seq = 8; UPDATE ${table} SET seq = -seq WHERE seq > 8; UPDATE ${table} SET seq = -seq - 1 WHERE seq < 0`;
    attack(copy, resigned(`${shift("record")}; DELETE FROM checkpoint WHERE size = 52; DELETE FROM payload`));
    // What was encrypted for its place cannot be moved.
    expect((await alone(copy)).verdict).toBe("incomplete");
    expect((await anchored(copy)).verdict).toBe("tampered");
  });

  test("all is rewritten with another key", async () => {
    const copy = copyOf(stage.now);
    attack(copy, (db, signer) => {
      const { publicKey, privateKey } = generateKeyPairSync("ed25519");
      const other = {
        ...signer,
        key: privateKey,
        public: publicKey.export({ format: "der", type: "spki" }).subarray(-32),
      };
      db.exec(edited(8));
      rebuild(db, other);
      const vkey = vkeyOf(signer.name, other.public);
      db.prepare("UPDATE meta SET value = ? WHERE key = 'vkey'").run(vkey);
      writeFileSync(join(copy, "ledger.vkey"), vkey);
    });
    expect(inShort(await alone(copy))).toBe("0");
    expect((await verifyLedger({ ledger: copy, vkey: stage.vkey })).first).toMatchObject({
      code: "checkpoint-signature",
    });
    expect((await verifyLedger({ ledger: copy, anchors: [`file:${stage.anchor}`] })).exitCode).toBe(1);
  });

  test("an older copy is put back", async () => {
    await shows(copyOf(stage.earlier), /^2 22-52 anchor-short$/);
  });

  test("an older copy goes on, along another branch", async () => {
    const copy = copyOf(stage.earlier);
    const ledger = await openLedger({ folder: copy, sync: "off" });
    await work(ledger, 16, "other");
    await ledger.close();
    const report = await shows(copy, /^1 22-\d+ anchor-root$/);
    expect(report.counts.records).toBe(54);
  });

  test("the whole ledger is exchanged for a new one", async () => {
    const copy = join(folder.path, "new");
    const ledger = await openLedger({ folder: copy, sync: "off" });
    await work(ledger, 30, "new");
    await ledger.close();
    const report = await verifyLedger({ ledger: copy, anchors: [`file:${stage.anchor}`] });
    expect(report).toMatchObject({ exitCode: 2, first: { code: "anchor-unknown" } });
  });
});

/** The first column of the first row. */
function one(db: DatabaseSync, text: string, ...values: string[]): unknown {
  return Object.values(db.prepare(text).get(...values) ?? {})[0];
}

describe("an anchor", () => {
  const lines = (): string[] => readFileSync(stage.anchor, "utf8").trimEnd().split("\n");
  const verifiedWith = (text: string): Promise<Report> => {
    const path = join(folder.path, `anchor-${++copies}`);
    writeFileSync(path, text);
    return verifyLedger({ ledger: stage.now, anchors: [`file:${path}`] });
  };

  test("that somebody else wrote to is not believed", async () => {
    const forged = lines().map((line) => line.replace(/(— \S+ \S{20})\S{4}/, "$1AAAA"));
    expect(inShort(await verifiedWith(`${forged.join("\n")}\n`))).toBe("1 - anchor-signature");
  });

  test("with a line that a crash cut off is read without it", async () => {
    const [first = "", ...rest] = lines();
    const whole = await verifiedWith(`${[first, first.slice(0, 40), ...rest].join("\n")}\n`);
    expect(whole).toMatchObject({ verdict: "clean", completeTo: 52 });
    expect(whole.unchecked.join()).toMatch(/1 lines? of the anchor/);
    const writing = await verifiedWith(`${[first, ...rest].join("\n")}\n${first.slice(0, 40)}`);
    expect(writing).toMatchObject({ verdict: "clean", completeTo: 52 });
  });

  test("with nothing that can be read is no anchor", async () => {
    expect(inShort(await verifiedWith("nothing\n"))).toBe("3 - anchor");
    expect(inShort(await verifiedWith(""))).toBe("2 - anchor-unknown");
  });
});

test("a checkpoint that was kept in a file of its own will do", async () => {
  const path = join(folder.path, "kept.note");
  const db = new DatabaseSync(join(stage.now, "ledger.db"), { readOnly: true });
  writeFileSync(path, String(one(db, "SELECT note FROM checkpoint WHERE size = 40")));
  db.close();
  expect(await verifyLedger({ ledger: stage.now, checkpoints: [path] })).toMatchObject({ exitCode: 0, completeTo: 40 });
  expect(inShort(await verifyLedger({ ledger: stage.earlier, checkpoints: [path] }))).toBe("2 22-40 anchor-short");
});

function stageTrigger(name: string): string {
  const db = new DatabaseSync(join(stage.now, "ledger.db"), { readOnly: true });
  const made = one(db, "SELECT sql FROM sqlite_schema WHERE name = ?", name) as string;
  db.close();
  return made;
}

function vkeyOf(name: string, bytes: Buffer): string {
  const key = Buffer.concat([Uint8Array.of(1), bytes]);
  const id = createHash("sha256").update(`${name}\n`).update(key).digest("hex").slice(0, 8);
  return `${name}+${id}+${key.toString("base64")}`;
}

function newKey(): string {
  const { publicKey } = generateKeyPairSync("ed25519");
  return vkeyOf("callgate/log_x", publicKey.export({ format: "der", type: "spki" }).subarray(-32));
}

test("a trigger hides behind a name that SQLite keeps for itself", async () => {
  const copy = copyOf(stage.now);
  attack(copy, (db) => {
    db.enableDefensive(false);
    db.exec("PRAGMA writable_schema = ON");
    db.prepare("INSERT INTO sqlite_schema VALUES ('trigger', 'sqlite_e1', 'record', 0, ?)").run(
      "CREATE TRIGGER sqlite_e1 BEFORE INSERT ON record WHEN NEW.agent = 'x' BEGIN SELECT raise(IGNORE); END",
    );
  });
  const { exitCode, first } = await alone(copy);
  expect(exitCode).toBe(1);
  expect(first).toMatchObject({ code: "schema", problem: "the trigger `sqlite_e1` is not part of a ledger" });
});
