import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogView, SignedCheckpoint } from "../src/anchor/anchor.ts";
import { compareAll } from "../src/anchor/anchoring.ts";
import { openAnchor } from "../src/anchor/open.ts";
import { originOf } from "../src/checkpoint.ts";
import { openLedger, openReader } from "../src/index.ts";
import { parseVerifierKey, type VerifierKey } from "../src/note.ts";
import { rootAt } from "../src/proof.ts";
import { openStore } from "../src/store.ts";
import { treeReader } from "../src/tree-reader.ts";
import { dataFolder } from "./folder.ts";

const FLIPS = 150;

/** All that the ledger says, or undefined if something finds that it cannot be trusted. */
async function contentOf(folder: string, anchor: string): Promise<string | undefined> {
  try {
    // What a start does, in this thread.
    const store = openStore(folder, "full");
    try {
      const newest = store.db
        .prepare("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1")
        .get() as SignedCheckpoint;
      const node = treeReader(store.db);
      const view: LogView = {
        origin: originOf(store.log),
        key: parseVerifierKey(store.key.vkey) as VerifierKey,
        newest: () => newest,
        rootAt: (size) => rootAt(node, size),
        consistencyProof: () => [],
      };
      await compareAll([{ anchor: openAnchor({ to: anchor }), required: true }], view);
    } finally {
      store.close();
    }
    const reader = openReader(folder);
    try {
      const { ok, records } = reader.verify();
      if (!ok) return undefined;
      return JSON.stringify([reader.log, Array.from({ length: records }, (_, i) => reader.show(i + 1))]);
    } finally {
      reader.close();
    }
  } catch {
    return undefined;
  }
}

/** A generator of the same numbers in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe("bits that flip", () => {
  it("in the database and its log change nothing that is not found", { timeout: 120_000 }, async () => {
    const folder = dataFolder();
    const anchor = `file:${join(dirname(folder), "anchor")}`;
    const first = await openLedger({ folder, anchors: [{ to: anchor }] });
    for (let i = 0; i < 100; i++)
      await first.append({
        kind: "intent",
        session: `s${i % 3}`,
        call: `c${i}`,
        agent: "bot",
        payloads: { args: `{"i":${i}}` },
      });
    await first.close();
    const ledger = await openLedger({ folder, anchors: [{ to: anchor }] });
    for (let i = 0; i < 60; i++)
      await ledger.append({ kind: "denial", session: "s9", call: `d${i}`, payloads: { args: "{}" } });
    // As a power cut would leave it: records in the database, and more in the log.
    const left = `${folder}.left`;
    mkdirSync(left);
    for (const name of readdirSync(folder))
      if (!name.endsWith("-shm")) copyFileSync(join(folder, name), join(left, name));
    await ledger.close();
    const whole = `${folder}.whole`;
    cpSync(left, whole, { recursive: true });
    const content = await contentOf(whole, anchor);
    expect(content).toContain('"call":"d59"');

    const random = numbers(4);
    const counts = { found: 0, harmless: 0 };
    const missed: string[] = [];
    for (let flip = 0; flip < FLIPS; flip++) {
      const copy = `${folder}.flip`;
      rmSync(copy, { recursive: true, force: true });
      cpSync(left, copy, { recursive: true });
      const file = join(copy, flip % 2 === 0 ? "ledger.db" : "ledger.db-wal");
      const bytes = readFileSync(file);
      const at = random(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random(8));
      writeFileSync(file, bytes);
      const now = await contentOf(copy, anchor);
      if (now === undefined) counts.found++;
      else if (now === content) counts.harmless++;
      else missed.push(`${file} ${at}`);
    }
    expect(missed).toEqual([]);
    // Half of a file is free space, and the log has older copies of pages.
    expect(counts.found).toBeGreaterThan(FLIPS / 10);
    expect(existsSync(left)).toBe(true);
    console.log(counts);
  });
});
