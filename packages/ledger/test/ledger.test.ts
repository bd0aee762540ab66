import { readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Ledger, openLedger, openReader } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const open: Ledger[] = [];
const started = async (options: Parameters<typeof openLedger>[0]) => {
  const ledger = await openLedger(options);
  open.push(ledger);
  return ledger;
};
afterEach(async () => {
  vi.restoreAllMocks();
  for (const ledger of open.splice(0)) await ledger.close();
});

const intent = (call: string): RecordDraft => ({ kind: "intent", call, agent: "bot" });

/** How many commits the write-ahead log holds: frames that say how large the file is after them. */
function commits(folder: string): number {
  const wal = readFileSync(join(folder, "ledger.db-wal"));
  const frame = 24 + wal.readUInt32BE(8);
  let count = 0;
  for (let at = 32; at + frame <= wal.length; at += frame) if (wal.readUInt32BE(at + 4) > 0) count++;
  return count;
}

describe("append", () => {
  it("gives seqs in the order of the calls, without gaps, after the boot record", async () => {
    const folder = dataFolder();
    const ledger = await started({ folder, boot: { version: "1.2.3" } });
    const a = ledger.append(intent("a"));
    expect(ledger.appendLater(intent("b"))).toBe(3);
    expect(await Promise.all([a, ledger.append(intent("c"))])).toEqual([2, 4]);
    const reader = openReader(folder);
    const records = reader.query({ order: "asc" });
    expect(records.map((r) => r.call ?? r.kind)).toEqual(["boot", "a", "b", "c"]);
    expect(records[0]?.detail).toEqual({ version: "1.2.3", recovered: 0 });
    expect(new Set(records.map((r) => `${r.log} ${r.boot}`))).toEqual(new Set([`${ledger.log} ${ledger.boot}`]));
    expect(reader.log).toBe(ledger.log);
    expect(reader.verify()).toMatchObject({ ok: true, records: 4, findings: [] });
    reader.close();
  });

  it("commits all that waits together, 256 at most", async () => {
    const folder = dataFolder();
    const ledger = await started({ folder });
    const before = commits(folder);
    const raw = new Database(join(folder, "ledger.db"));
    raw.exec("BEGIN IMMEDIATE");
    const first = ledger.append(intent("first"));
    await new Promise(setImmediate);
    const rest = Array.from({ length: 300 }, (_, i) => ledger.append(intent(`call ${i}`)));
    raw.exec("COMMIT");
    raw.close();
    await Promise.all([first, ...rest]);
    expect(commits(folder) - before).toBe(3);
  });

  it("is readable elsewhere as soon as it is acknowledged", async () => {
    const folder = dataFolder();
    const ledger = await started({ folder });
    const reader = openReader(folder);
    for (let i = 0; i < 20; i++) {
      const seq = await ledger.append({ kind: "denial", call: `c${i}` });
      expect(reader.show(seq)?.record.call).toBe(`c${i}`);
    }
    reader.close();
  });

  it("commits what came by appendLater by itself", async () => {
    const folder = dataFolder();
    const ledger = await started({ folder });
    const reader = openReader(folder);
    const seq = ledger.appendLater({ kind: "callback", detail: { what: "roots/list" } });
    await vi.waitFor(() => expect(reader.show(seq)?.record.kind).toBe("callback"));
    reader.close();
  });

  it("keeps payloads beside the leaf, or only their digests", async () => {
    const args = '{"path":"/a"}';
    const draft: RecordDraft = { kind: "intent", call: "c", args: digestOf(args), payloads: { args } };
    for (const payloads of [true, false]) {
      const folder = dataFolder();
      const ledger = await started({ folder, payloads });
      const seq = await ledger.append(draft);
      const reader = openReader(folder);
      const shown = reader.show(seq);
      expect(shown?.payloads).toEqual(payloads ? { args } : {});
      // Neither digest says what the arguments were to somebody who guesses them.
      expect(shown?.record.args).toMatch(payloads ? /^sha256:[0-9a-f]{64}$/ : /^hmac-sha256:[0-9a-f]{64}$/);
      expect(shown?.leaf).not.toContain(digestOf(args).slice(7));
      reader.close();
    }
  });

  it("refuses what is too large and takes no seq for it", async () => {
    const ledger = await started({ folder: dataFolder() });
    const large: RecordDraft = { kind: "outcome", error: { code: "E", message: "x".repeat(70_000) } };
    await expect(ledger.append(large)).rejects.toMatchObject({ code: "LEDGER_LEAF_TOO_LARGE" });
    expect(() => ledger.appendLater(large)).toThrow(expect.objectContaining({ code: "LEDGER_LEAF_TOO_LARGE" }));
    expect(await ledger.append(intent("c"))).toBe(2);
  });

  it("records that the clock went back", async () => {
    const folder = dataFolder();
    const ledger = await started({ folder });
    const now = Date.now();
    vi.spyOn(Date, "now").mockReturnValue(now - 60_000);
    expect(await ledger.append(intent("c"))).toBe(3);
    const reader = openReader(folder);
    expect(reader.query({ kind: ["clock"] })).toMatchObject([
      { seq: 2, detail: { to: new Date(now - 60_000).toISOString() } },
    ]);
    reader.close();
  });
});

describe("close", () => {
  it("commits what waits and refuses what comes later", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    ledger.appendLater(intent("a"));
    const b = ledger.append(intent("b"));
    await ledger.close();
    expect(await b).toBe(3);
    await expect(ledger.append(intent("c"))).rejects.toMatchObject({ code: "LEDGER_CLOSED" });
    await ledger.close();
    const reader = openReader(folder);
    expect(reader.query({})).toHaveLength(3);
    reader.close();
  });
});

describe("open", () => {
  it("refuses a second writer, until the first is gone", async () => {
    const folder = dataFolder();
    const first = await openLedger({ folder });
    await expect(openLedger({ folder })).rejects.toMatchObject({
      code: "LEDGER_LOCKED",
      message: `another broker is writing to the ledger in \`${folder}\``,
    });
    await first.close();
    await started({ folder });
  });

  it("gives each call left open an unknown outcome, once", async () => {
    const folder = dataFolder();
    const first = await openLedger({ folder });
    const tool = { server: "files", name: "read", digest: digestOf("d") };
    await first.append({ ...intent("open"), session: "s", tool, args: digestOf("{}") });
    await first.append(intent("done"));
    await first.append({ kind: "outcome", call: "done", status: "ok" });
    await first.append({ kind: "denial", call: "denied" });
    await first.close();

    const second = await openLedger({ folder });
    expect(second.recovered).toBe(1);
    await second.close();
    const third = await started({ folder });
    expect(third.recovered).toBe(0);
    expect(third.log).toBe(first.log);

    const reader = openReader(folder);
    const after = reader.query({ after: 5, order: "asc" });
    expect(after).toMatchObject([
      { kind: "outcome", status: "unknown", call: "open", session: "s", agent: "bot", tool, detail: { intent: 2 } },
      { kind: "boot", boot: second.boot, detail: { recovered: 1 } },
      { kind: "boot", boot: third.boot, detail: { recovered: 0 } },
    ]);
    expect(after[0]).not.toHaveProperty("args");
    expect(reader.verify().ok).toBe(true);
    reader.close();
  });

  it.each([
    [
      "the newest leaf was changed",
      "DROP TRIGGER record_update; UPDATE record SET leaf = replace(leaf, 'bot', 'cat')",
      true,
    ],
    ["a trigger is gone", "DROP TRIGGER record_delete", false],
    ["an index was added", "CREATE INDEX mine ON record (status)", false],
  ])("refuses to write when %s", async (_, sql, restore) => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    await ledger.append(intent("c"));
    await ledger.close();
    const raw = new Database(join(folder, "ledger.db"));
    const trigger = raw.prepare("SELECT sql FROM sqlite_schema WHERE name = 'record_update'").pluck().get() as string;
    raw.exec(sql);
    if (restore) raw.exec(trigger);
    raw.close();
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_CORRUPT" });
  });

  it("refuses a file of another kind", async () => {
    const folder = dataFolder();
    await (await openLedger({ folder })).close();
    const raw = new Database(join(folder, "ledger.db"));
    raw.exec("DROP TRIGGER meta_update; UPDATE meta SET value = 'callgate-ledger/0' WHERE key = 'format'");
    raw.close();
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_FORMAT" });
    expect(() => openReader(folder)).toThrow(expect.objectContaining({ code: "LEDGER_FORMAT" }));
    expect(() => openReader(dataFolder())).toThrow(expect.objectContaining({ code: "LEDGER_NOT_FOUND" }));
  });

  it("frees the folder when the boot facts are refused", async () => {
    const folder = dataFolder();
    const boot = { text: "x".repeat(5000) };
    await expect(openLedger({ folder, boot })).rejects.toMatchObject({ code: "LEDGER_LEAF_TOO_LARGE" });
    await started({ folder });
  });
});

describe("the file", () => {
  it("refuses every change but an append", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    await ledger.append({ kind: "intent", call: "c", payloads: { facts: "{}" } });
    await ledger.close();
    const raw = new Database(join(folder, "ledger.db"));
    const copy = (seq: string, verb = "INSERT") =>
      `${verb} INTO record SELECT ${seq}, kind, ts, agent, session, call, tool, verdict, status, hash, leaf FROM record WHERE seq = 2`;
    for (const sql of [
      "UPDATE record SET kind = 'x' WHERE seq = 2",
      "DELETE FROM record WHERE seq = 2",
      copy("2", "INSERT OR REPLACE"),
      copy("2", "INSERT OR IGNORE"),
      copy("4"),
      copy("NULL"),
      "UPDATE payload SET data = zeroblob(40)",
      "DELETE FROM payload",
      "INSERT OR REPLACE INTO payload VALUES (2, 'facts', zeroblob(40))",
      "INSERT INTO payload VALUES (1, 'facts', zeroblob(40))",
      "UPDATE meta SET value = 'x'",
      "DELETE FROM meta",
      "INSERT OR REPLACE INTO meta VALUES ('log', 'x')",
      "INSERT INTO tile VALUES (1, 1, zeroblob(8192))",
      "UPDATE checkpoint SET note = ''",
      "DELETE FROM checkpoint",
      "INSERT INTO checkpoint VALUES (3, '')",
      "INSERT OR REPLACE INTO checkpoint VALUES (2, '')",
    ]) {
      expect(() => raw.exec(sql)).toThrow(/never|only appended/);
    }
    raw.close();
  });
});

describe("failure", () => {
  it("refuses everything once its file was moved away, and says so once", async () => {
    const folder = dataFolder();
    const onFailure = vi.fn<(error: Error) => void>();
    const ledger = await started({ folder, onFailure });
    renameSync(join(folder, "ledger.db"), join(folder, "gone.db"));
    const results = await Promise.allSettled([ledger.append(intent("a")), ledger.append(intent("b"))]);
    for (const result of results)
      expect(result).toMatchObject({ status: "rejected", reason: { code: "LEDGER_FAILED" } });
    await expect(ledger.append(intent("c"))).rejects.toMatchObject({ code: "LEDGER_FAILED" });
    expect(() => ledger.appendLater(intent("d"))).toThrow(expect.objectContaining({ code: "LEDGER_FAILED" }));
    await ledger.close();
    expect(onFailure).toHaveBeenCalledOnce();
  });
});
