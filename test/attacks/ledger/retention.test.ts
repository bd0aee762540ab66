import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ledger, type LedgerOptions, openFilling, openLedger, openReader } from "@callgate/ledger";
import { renderReport, verifyLedger } from "@callgate/verify";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { makeFolder } from "../../support/folder.ts";
import { startNode } from "../../support/process.ts";
import { until } from "../../support/until.ts";
import { work } from "./stage.ts";

const folder = makeFolder("retention");
let ledgers = 0;
afterAll(() => folder.remove());
afterEach(() => void vi.useRealTimers());

async function open(options: Partial<LedgerOptions>): Promise<{ ledger: Ledger; data: string }> {
  const data = join(folder.path, `data-${++ledgers}`);
  return { ledger: await openLedger({ folder: data, sync: "off", segment: 50, ...options }), data };
}

function oldestIn(data: string): number {
  const reader = openReader(data);
  const oldest = reader.oldest();
  reader.close();
  return oldest;
}

/** The files of a folder that hold a text. */
const filesWith = (data: string, text: string): string[] =>
  readdirSync(data).filter((name) => readFileSync(join(data, name)).includes(text));

describe("segments that are not to be kept", () => {
  it("are moved by the broker while it works, and what remains and what was moved proves", async () => {
    const to = join(folder.path, "archive");
    const { ledger, data } = await open({ keep: { records: 100, to } });
    // Verified at whatever moment a segment goes.
    for (let round = 0; round < 8; round++) {
      const [report] = await Promise.all([verifyLedger({ ledger: data }), work(ledger, 60, `round-${round}`)]);
      expect(report).toMatchObject({ verdict: "clean", findings: [] });
    }
    await until("segments to be moved", () => oldestIn(data) > 500);
    await ledger.close();
    const oldest = oldestIn(data);
    const alone = await verifyLedger({ ledger: data });
    expect(alone).toMatchObject({ verdict: "clean", counts: { archived: oldest - 1 } });
    expect(alone.counts.records).toBeGreaterThanOrEqual(100);
    const whole = await verifyLedger({ ledger: data, segments: to });
    expect(whole).toMatchObject({
      verdict: "clean",
      counts: { archived: 0, records: alone.counts.records + oldest - 1 },
    });
  });

  it("are deleted for good if that is what was declared, with their words in the index", async () => {
    const { ledger, data } = await open({ keep: { records: 60 } });
    await work(ledger, 10, "earliest");
    const filling = openFilling(data);
    while (filling.step().indexed < 20);
    await work(ledger, 120, "latest");
    await until("a segment to be deleted", () => oldestIn(data) > 22);
    const { indexed, head } = filling.step();
    expect(indexed).toBe(head);
    filling.close();
    await until("their words to be gone", () => filesWith(data, "earliest").length === 0);
    await ledger.close();
    const reader = openReader(data);
    const [record] = reader.query({ kind: ["config"], order: "asc", limit: 1 });
    expect(record?.detail).toEqual({ archived: { from: 1, to: expect.any(Number), deleted: true } });
    reader.close();
    expect(filesWith(data, "latest").length).toBeGreaterThan(0);
    expect(filesWith(data, "earliest")).toEqual([]);
    const report = await verifyLedger({ ledger: data });
    expect(report).toMatchObject({ verdict: "clean", counts: { archived: 0, deleted: oldestIn(data) - 1 } });
    expect(renderReport(report)).toContain(`the hashes of ${oldestIn(data) - 1} deleted ones`);
    expect(renderReport(report)).not.toContain("archived");
  });

  it("go by their age, and stay as long as either says so", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2026-03-01T12:00:00Z") });
    const { ledger, data } = await open({ segment: 1_000_000, keep: { days: 30 } });
    const later = await open({ segment: 1_000_000, keep: { days: 30, records: 1000 } });
    for (const one of [ledger, later.ledger]) {
      await work(one, 3, "march");
      await one.seal();
    }
    for (let hours = 0; hours <= 40 * 24; hours += 20) {
      vi.setSystemTime(Date.parse("2026-03-01T12:00:00Z") + hours * 3_600_000);
      for (const one of [ledger, later.ledger]) await one.append({ kind: "denial" });
    }
    for (const one of [ledger, later.ledger]) await one.seal();
    await until("the segment to go", () => oldestIn(data) === 8);
    await ledger.close();
    await later.ledger.close();
    expect(oldestIn(later.data)).toBe(1);
    expect(await verifyLedger({ ledger: data })).toMatchObject({ verdict: "clean" });
  });

  it("stay where they cannot be moved, which is told once, and the ledger goes on", async () => {
    const to = join(folder.path, "no-folder");
    writeFileSync(to, "a file");
    const errors: string[] = [];
    const { ledger, data } = await open({
      keep: { records: 50, to },
      onKeepError: ({ message }) => errors.push(message),
    });
    await work(ledger, 100, "call");
    await until("it to be told", () => errors.length > 0);
    await work(ledger, 100, "more");
    expect(errors).toHaveLength(1);
    await ledger.close();
    expect(oldestIn(data)).toBe(1);
    expect(await verifyLedger({ ledger: data })).toMatchObject({ verdict: "clean" });
  });

  it("do not keep a process from ending that closes its ledger meanwhile", async () => {
    const script = folder.write(
      "closing.mjs",
      `
      import { openLedger } from ${JSON.stringify(import.meta.resolve("@callgate/ledger"))};
      const ledger = await openLedger({ folder: process.env.DATA, sync: "off", segment: 10, keep: { records: 10 } });
      await Promise.all(Array.from({ length: 60 }, () => ledger.append({ kind: "denial" })));
      await ledger.close();
      console.log("closed");`,
    );
    for (let i = 0; i < 5; i++) {
      const env = { DATA: join(folder.path, `process-${i}`) };
      const process = startNode([script], { env });
      // 13 is Node's word for a promise that nobody keeps any more.
      expect([await process.ended, process.lines]).toEqual([0, ["closed"]]);
    }
  });
});
