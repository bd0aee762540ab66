import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { makeStage, type Stage } from "./stage.ts";

let folder: Folder;
let stage: Stage;

beforeAll(async () => {
  folder = makeFolder("ledger-flips");
  stage = await makeStage(folder);
});
afterAll(() => folder.remove());

/** Numbers that are the same in every run. */
function* numbers(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state;
  }
}

/** All that the tables of a ledger hold; undefined if it cannot be read. */
function contents(ledger: string): string | undefined {
  try {
    const db = new DatabaseSync(join(ledger, "ledger.db"), { readOnly: true });
    try {
      const all = (table: string): unknown[] => db.prepare(`SELECT * FROM ${table} NOT INDEXED`).all();
      const tables = ["meta", "record", "payload", "tile", "checkpoint", "sqlite_schema"];
      return JSON.stringify(tables.map((table) => all(table)));
    } finally {
      db.close();
    }
  } catch {
    return undefined;
  }
}

const FLIPS = 75;

test.each([
  ["the file of a broker that was stopped", () => stage.now, "ledger.db"],
  ["the log of writes of a broker that runs", () => stage.running, "ledger.db-wal"],
])("every change of content by a flipped bit in %s is found", async (_, original, file) => {
  const bytes = readFileSync(join(original(), file));
  const before = contents(copy(original()));
  expect(before).toBeDefined();
  const random = numbers(20_260_301);
  const outcomes = new Map<number, number>();
  let onlyAnchor = 0;
  let unchanged = 0;
  for (let i = 0; i < FLIPS; i++) {
    const bit = (random.next().value as number) % (bytes.length * 8);
    const ledger = copy(original());
    const flipped = Buffer.from(bytes);
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    writeFileSync(join(ledger, file), flipped);

    const changed = contents(ledger) !== before;
    const report = await verifyLedger({ ledger, anchors: [`file:${stage.anchor}`], vkey: stage.vkey });
    outcomes.set(report.exitCode, (outcomes.get(report.exitCode) ?? 0) + 1);
    if (!changed) unchanged++;
    expect({ bit, changed, found: report.exitCode !== 0 || !changed }).toEqual({ bit, changed, found: true });
    if (report.exitCode === 2) {
      // SQLite drops what comes after a page that is not whole, and says nothing: without an anchor it is a shorter log.
      expect((await verifyLedger({ ledger })).exitCode).toBe(0);
      onlyAnchor++;
    }
  }
  expect(unchanged).toBeLessThan(FLIPS);
  if (file.endsWith("-wal")) expect(onlyAnchor).toBeGreaterThan(0);
  else expect(outcomes.get(1)).toBeGreaterThan(0);
});

function copy(original: string): string {
  const ledger = join(folder.path, "flipped");
  rmSync(ledger, { recursive: true, force: true });
  cpSync(original, ledger, { recursive: true });
  return ledger;
}
