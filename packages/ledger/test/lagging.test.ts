import { dirname, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { openLedger } from "../src/index.ts";
import { Lagging } from "../src/lagging.ts";
import { dataFolder } from "./folder.ts";

const at = (size: number, error?: string) => [{ name: "far away", size, ...(error !== undefined && { error }) }];
const code = { code: "LEDGER_ANCHOR_BEHIND" };

describe("an anchor that calls depend on", () => {
  it("may be behind by so many records, and no more", () => {
    const lagging = new Lagging([{ records: 10 }], 0);
    lagging.durable(1, 0, 5);
    lagging.durable(6, 0, 10);
    expect(lagging.problem(at(5), 15, 1e9)).toBeUndefined();
    lagging.durable(16, 0, 1);
    expect(lagging.problem(at(5, "it does not answer"), 16, 1)).toMatchObject({
      ...code,
      message: "the anchor `far away` has not seen the newest 11 records: it does not answer",
    });
    expect(lagging.problem(at(16), 16, 1)).toBeUndefined();
  });

  it("may lack a record for so long, counted from when that record was durable", () => {
    const lagging = new Lagging([{ ms: 1000 }], 0);
    lagging.durable(1, 500, 10);
    lagging.durable(11, 5000, 10);
    lagging.seen(at(10));
    // Up to record 10 it has all; the next one came at 5000.
    expect(lagging.problem(at(10), 20, 6000)).toBeUndefined();
    expect(lagging.problem(at(10), 20, 6001)).toMatchObject({ ...code, help: expect.stringContaining("run again") });
    lagging.durable(21, 6500, 10);
    expect(lagging.problem(at(20), 30, 7500)).toBeUndefined();
    expect(lagging.problem(at(20), 30, 7501)).toMatchObject(code);
    expect(lagging.problem(at(30), 30, 99_999)).toBeUndefined();
  });

  it("is not behind by denials, of which there are the more the longer it is", () => {
    const lagging = new Lagging([{ records: 1000 }], 0);
    for (let seq = 1; seq <= 100_001; seq += 1000) lagging.durable(seq, 0, seq % 5000 === 1 ? 10 : 0);
    expect(lagging.problem(at(0), 101_000, 1)).toBeUndefined();
    for (let seq = 101_001; seq <= 109_001; seq += 1000) lagging.durable(seq, 0, 100);
    expect(lagging.problem(at(0), 110_000, 1)).toMatchObject(code);
    // Once it has seen them, only those that came later count.
    lagging.seen(at(105_000));
    expect(lagging.problem(at(105_000), 110_000, 1)).toBeUndefined();
  });

  it("is behind by what an earlier run left, and not by what it has seen of it", () => {
    const lagging = new Lagging([{ records: 1000 }], 0, 5000);
    expect(lagging.problem(at(3999), 5000, 1)).toMatchObject(code);
    expect(lagging.problem(at(4000), 5000, 1)).toBeUndefined();
    lagging.durable(5001, 1, 500);
    expect(lagging.problem(at(5000), 5500, 1)).toBeUndefined();
  });

  it("refuses what would run and says so before it is asked to, also while denials go on", async () => {
    const folder = dataFolder();
    const far = `file:${join(dirname(folder), "anchor.jsonl")}`;
    // It is given nothing before there are 256 records.
    const ledger = await openLedger({
      folder,
      sync: "off",
      patience: { late: 600_000 },
      anchors: [{ to: far, required: true, lag: { records: 20 } }],
    });
    for (let i = 0; i < 150; i++) await ledger.append({ kind: "denial" });
    expect(ledger.refusal()).toBeUndefined();
    for (let i = 0; i < 21; i++) await ledger.append({ kind: "intent", call: `c${i}` }).catch(() => {});
    expect(ledger.refusal()).toMatchObject(code);
    await expect(ledger.append({ kind: "intent" })).rejects.toMatchObject(code);
    for (let i = 0; i < 150; i++) await ledger.append({ kind: "denial" });
    await vi.waitFor(() => expect(ledger.refusal()).toBeUndefined(), 5000);
    await ledger.append({ kind: "intent", call: "again" });
    await ledger.close();
  });

  it("is asked of only if it has a lag", () => {
    const lagging = new Lagging([undefined, { records: 1 }], 0);
    for (let seq = 1; seq <= 10; seq++) lagging.durable(seq, 0, 1);
    const [one] = at(0);
    expect(lagging.problem([one as never, ...at(9)], 10, 1)).toBeUndefined();
    expect(lagging.problem([one as never, ...at(8)], 10, 1)).toMatchObject(code);
  });
});
