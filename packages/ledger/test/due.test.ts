import { join } from "node:path";
import type { RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dueSegments } from "../src/due.ts";
import { type Ledger, openLedger } from "../src/index.ts";
import { type Keep } from "../src/keeping.ts";
import { dataFolder } from "./folder.ts";

const START = Date.parse("2026-03-01T12:00:00Z");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const denial: RecordDraft = { kind: "denial" };

let folder: string;
let ledger: Ledger;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: START });
  folder = dataFolder();
  ledger = await openLedger({ folder, sync: "off" });
});
afterEach(async () => {
  await ledger.close();
  vi.useRealTimers();
});

/** The first records of the segments that need not stay. */
function due(keep: Keep): readonly number[] {
  const db = new Database(join(folder, "ledger.db"), { readonly: true });
  try {
    return dueSegments(db, keep, Date.now()).map(({ from }) => from);
  } finally {
    db.close();
  }
}

/** Records at a time, with a segment at their end. */
async function sealAt(time: number): Promise<void> {
  vi.setSystemTime(time);
  await ledger.append(denial);
  await ledger.seal();
}

/** Records now and then up to a time, as a broker makes them. */
async function liveUntil(time: number): Promise<void> {
  while (Date.now() < time) {
    vi.setSystemTime(Math.min(Date.now() + 20 * HOUR, time));
    await ledger.append(denial);
  }
}

const days = { days: 30 };

describe("a segment that is not to be kept any longer", () => {
  it("goes once its end is older than was asked for", async () => {
    await sealAt(START);
    await liveUntil(START + 30 * DAY);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 30 * DAY + 1);
    expect(due(days)).toEqual([1]);
    expect(due({ ...days, records: 1000 })).toEqual([]);
  });

  it("stays while a call in it is open, and so do those after it", async () => {
    await ledger.append({ kind: "intent", call: "open" });
    for (let i = 0; i < 3; i++) await sealAt(START);
    const outcome = { kind: "outcome", status: "ok" } as const;
    await ledger.append({ ...outcome, call: "another" });
    expect(due({ records: 1 })).toEqual([]);
    await ledger.append({ ...outcome, call: "open" });
    expect(due({ records: 1 })).toHaveLength(3);
  });

  it("stays while one before it has to", async () => {
    await sealAt(START);
    // The call is in the second of three.
    await ledger.append({ kind: "intent", call: "open" });
    for (let i = 0; i < 2; i++) await sealAt(START);
    expect(due({ records: 1 })).toEqual([1]);
  });

  it("is not held by a call that the start of this run gave an outcome", async () => {
    await ledger.append({ kind: "intent", call: "open" });
    await sealAt(START);
    await ledger.close();
    ledger = await openLedger({ folder, sync: "off" });
    expect(ledger.recovered).toBe(1);
    expect(due({ records: 1 })).toEqual([1]);
  });
});

describe("a clock that is wrong", () => {
  it("has nothing go when it went forward, until a day has passed", async () => {
    await sealAt(START);
    vi.setSystemTime(START + 400 * DAY);
    expect(due(days)).toEqual([]);
    await ledger.append(denial);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 401 * DAY);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 401 * DAY + 1);
    expect(due(days)).toEqual([1]);
  });

  it("has nothing go at a start after which it is ahead", async () => {
    await ledger.append({ kind: "intent", call: "open" });
    await sealAt(START);
    await ledger.close();
    vi.setSystemTime(START + 400 * DAY);
    ledger = await openLedger({ folder, sync: "off" });
    await ledger.append(denial);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 401 * DAY + 1);
    expect(due(days)).toEqual([1]);
  });

  it("does not keep for ever what was sealed while it was ahead", async () => {
    await sealAt(START + 400 * DAY);
    await sealAt(START);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 30 * DAY);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 30 * DAY + 1);
    expect(due(days)).toHaveLength(2);
  });

  it("does not make old what was recorded before or while it was behind", async () => {
    await sealAt(START);
    await sealAt(START - 400 * DAY);
    await sealAt(START + HOUR);
    await liveUntil(START + 3 * DAY);
    expect(due(days)).toEqual([]);
    await liveUntil(START + 31 * DAY);
    expect(due(days)).toHaveLength(3);
  });
});
