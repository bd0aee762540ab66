import { statSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import { type Ledger, openLedger, openReader } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const text = JSON.stringify({ text: "x".repeat(3000) });

async function append(ledger: Ledger, records: number): Promise<void> {
  for (let i = 0; i < records; i += 100)
    await Promise.all(
      Array.from({ length: 100 }, () => ledger.append({ kind: "denial", session: "s", payloads: { args: text } })),
    );
}

describe("others beside the writer", () => {
  it("a long reader sees what it began with; the log grows behind it, and no more once it has gone", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    const wal = () => statSync(join(folder, "ledger.db-wal")).size;
    await append(ledger, 4000);
    const bounded = wal();
    const reader = new Database(join(folder, "ledger.db"), { readonly: true });
    reader.exec("BEGIN");
    const count = reader.prepare("SELECT count(*) FROM record").pluck();
    const before = count.get();
    await append(ledger, 6000);
    expect(count.get()).toBe(before);
    const grown = wal();
    expect(grown).toBeGreaterThan(bounded * 2);
    reader.exec("COMMIT");
    expect(count.get()).toBe(10_001);
    reader.close();
    // The next commits bring it all into the file and begin the log anew, where it began.
    await append(ledger, 1000);
    const settled = wal();
    await append(ledger, 3000);
    expect(wal()).toBe(settled);
    await ledger.close();
    const after = openReader(folder);
    expect(after.verify()).toMatchObject({ ok: true, records: 14_001 });
    after.close();
  });

  it("a program that holds the lock makes appends wait, and nothing else", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    const other = new Database(join(folder, "ledger.db"));
    other.exec("BEGIN IMMEDIATE");
    let acknowledged = false;
    const append = ledger.append({ kind: "denial" }).then(() => {
      acknowledged = true;
    });
    // The writer tries again and again meanwhile; this thread's timers and readers run.
    for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate);
    const reader = openReader(folder);
    expect(reader.query({})).toHaveLength(1);
    reader.close();
    expect(acknowledged).toBe(false);
    other.exec("COMMIT");
    other.close();
    await append;
    await ledger.close();
  });

  it("a program that reads the keys does not stop a new session's first record", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    await ledger.append({ kind: "denial", session: "a", payloads: { args: "{}" } });
    const keys = new Database(join(folder, "payload-keys.db"), { readonly: true });
    keys.exec("BEGIN");
    keys.prepare("SELECT count(*) FROM key").get();
    let acknowledged = false;
    const append = ledger.append({ kind: "denial", session: "b", payloads: { args: "{}" } }).then(() => {
      acknowledged = true;
    });
    for (let turn = 0; turn < 1000; turn++) await new Promise(setImmediate);
    expect(acknowledged).toBe(false);
    keys.exec("COMMIT");
    await append;
    keys.close();
    await ledger.close();
  });

  it("a program that does not stop reading the keys: new sessions are refused, nothing else is lost, and it goes on", async () => {
    const folder = dataFolder();
    const onFailure = vi.fn<(error: Error) => void>();
    const ledger = await openLedger({ folder, onFailure, patience: { busy: 200 } });
    const called = (session: string, call: string) =>
      ({ kind: "denial", session, call, payloads: { args: "{}" } }) as const;
    await ledger.append(called("a", "1"));
    const keys = new Database(join(folder, "payload-keys.db"), { readonly: true });
    keys.exec("BEGIN");
    keys.prepare("SELECT count(*) FROM key").get();
    const refused = ledger.append(called("b", "2"));
    // With the same commit, and behind it.
    ledger.appendLater(called("a", "3"));
    await new Promise(setImmediate);
    const after = ["4", "5"].map((call) => ledger.append(called("a", call)));
    ledger.appendLater(called("a", "6"));
    await expect(refused).rejects.toMatchObject({ code: "LEDGER_BUSY" });
    expect(await Promise.all(after)).toEqual([4, 5]);
    await expect(ledger.append(called("b", "7"))).rejects.toMatchObject({ code: "LEDGER_BUSY" });
    keys.exec("COMMIT");
    keys.close();
    expect(await ledger.append(called("b", "8"))).toBe(7);
    await ledger.close();
    expect(onFailure).not.toHaveBeenCalled();
    const reader = openReader(folder);
    expect(reader.verify().findings).toEqual([]);
    const calls = reader.query({ kind: ["denial"], order: "asc" }).map((r) => r.call);
    expect(calls).toEqual(["1", "3", "4", "5", "6", "8"]);
    expect(reader.show(7)?.payloads).toEqual({ args: "{}" });
    reader.close();
  });

  it("closes beside a program that does not stop reading the keys", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder, patience: { busy: 200 } });
    const keys = new Database(join(folder, "payload-keys.db"), { readonly: true });
    keys.exec("BEGIN");
    keys.prepare("SELECT count(*) FROM key").get();
    const append = ledger.append({ kind: "denial", session: "b", payloads: { args: "{}" } });
    const closed = ledger.close();
    await expect(append).rejects.toMatchObject({ code: "LEDGER_FAILED" });
    await closed;
    keys.close();
    await (await openLedger({ folder })).close();
  });
});
