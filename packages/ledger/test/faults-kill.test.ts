import { describe, expect, it } from "vitest";
import { openLedger, openReader } from "../src/index.ts";
import { acknowledged, expectAll, output, startAppender } from "./appending.ts";
import { dataFolder } from "./folder.ts";

const KILLS = 50;
/** Ledgers that are killed beside each other. */
const LEDGERS = 2;

async function killed(folder: string, kills: number): Promise<[number, string][]> {
  const acks: [number, string][] = [];
  for (let kill = 1; kill <= kills; kill++) {
    // Early and late: also while it recovers, and before anything was acknowledged in this run.
    const least = (kill % 5) * 1000;
    const child = startAppender(folder);
    if (least === 0) setTimeout(() => child.kill("SIGKILL"), 100 + kill * 10);
    const text = await output(child, (t) => {
      if (least > 0 && t.length > least) child.kill("SIGKILL");
    });
    expect(child.signalCode).toBe("SIGKILL");
    acks.push(...acknowledged(text));
  }
  return acks;
}

describe("a writer that is killed fifty times under load", () => {
  it("loses no acknowledged record, breaks no chain, and leaves no intent without its one outcome", {
    timeout: 180_000,
  }, async () => {
    await Promise.all(
      Array.from({ length: LEDGERS }, async () => {
        const folder = dataFolder();
        const acks = await killed(folder, KILLS / LEDGERS);
        expect(acks.length).toBeGreaterThan(500);
        await (await openLedger({ folder })).close();
        expectAll(folder, acks);
        const reader = openReader(folder);
        const calls = { intent: [] as string[], outcome: [] as string[] };
        for (const record of reader.records({ kind: ["intent", "outcome"] }))
          calls[record.kind as "intent" | "outcome"].push(record.call as string);
        const byText = (a: string, b: string) => a.localeCompare(b);
        expect(calls.outcome.toSorted(byText)).toEqual(calls.intent.toSorted(byText));
        reader.close();
      }),
    );
  });
});
