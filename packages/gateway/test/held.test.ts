import { canonicalJson } from "@callgate/core";
import { describe, expect, it } from "vitest";
import type { GuestRun } from "../src/sandboxed/guest-run.ts";
import { Held, Journal } from "../src/sandboxed/journal.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as const;
const MIB = 1_048_576;
const TTL = 60_000;

const call = (n: number) => ({ id: n, server: "clerk", name: "big", args: { n }, bytes: 10 });
const RUN = { labels: [], marks: [], spentInside: {} } as unknown as GuestRun;

/** A journal of answers that have this many characters each. */
function journal(...sizes: number[]): Journal {
  const made = new Journal({ call: "call_1", script: DIGEST, seed: 1, now: 0 });
  for (const [i, size] of sizes.entries()) made.keep(call(i), { resultText: "x".repeat(size) });
  return made;
}

describe("runs that wait for a person", () => {
  it("are 8 of a session: the oldest gives way", () => {
    const held = new Held();
    const other = held.keep(journal(), "other", TTL, false) as string;
    const ids = Array.from({ length: 9 }, () => held.keep(journal(), "mine", TTL, false) as string);
    expect(ids.map((id) => held.find(id, "mine") !== undefined)).toEqual([false, ...Array(8).fill(true)]);
    expect(held.find(other, "other")).toBeDefined();
  });

  it("have runs inside them, which take no place of theirs", () => {
    const held = new Held();
    const outer = held.keep(journal(), "mine", TTL, false) as string;
    for (let i = 0; i < 20; i++) expect(held.keep(journal(), "mine", TTL, true)).toBeDefined();
    expect(held.find(outer, "mine")).toBeDefined();
  });

  it.each([
    ["results", { resultText: "x".repeat(MIB) }],
    ["errors", { error: { code: "TOOL_ERROR", message: "no", data: { text: "x".repeat(MIB) } } }],
  ])("are not kept where they hold more than 4 MiB of %s", (_, answer) => {
    const large = journal();
    for (let i = 0; i < 3; i++) large.keep(call(i), answer);
    expect(new Held().keep(large, "mine", TTL, false)).toBeDefined();
    large.keep(call(3), answer);
    expect(new Held().keep(large, "mine", TTL, false)).toBeUndefined();
  });

  it("hold no more than 32 MiB of a session, the runs inside included", () => {
    const held = new Held();
    const kept = Array.from({ length: 12 }, () => held.keep(journal(3 * MIB), "mine", TTL, true));
    expect(kept.filter((id) => id !== undefined)).toHaveLength(10);
    expect(held.keep(journal(3 * MIB), "other", TTL, false)).toBeDefined();
  });

  it("hold no more than 64 MiB together, and give room again", () => {
    const held = new Held();
    const ids = Array.from({ length: 30 }, (_, i) => held.keep(journal(3 * MIB), `session ${i}`, TTL, false));
    expect(ids.filter((id) => id !== undefined)).toHaveLength(21);
    expect(held.take(ids[0] as string)).toBeDefined();
    expect(held.keep(journal(3 * MIB), "another", TTL, false)).toBeDefined();
    expect(held.keep(journal(3 * MIB), "another", TTL, false)).toBeUndefined();
  });

  it("give room again once they are too old", () => {
    const held = new Held();
    for (let i = 0; i < 21; i++) held.keep(journal(3 * MIB), `session ${i}`, -1, false);
    expect(held.keep(journal(3 * MIB), "mine", TTL, false)).toBeDefined();
  });

  it("are taken out once, and can be given back", () => {
    const held = new Held();
    const id = held.keep(journal(), "mine", TTL, false) as string;
    const kept = held.take(id);
    expect(held.take(id)).toBeUndefined();
    if (kept) held.giveBack(id, kept);
    expect(held.find(id, "mine")).toBe(kept?.journal);
    expect(held.find(id, "other")).toBeUndefined();
  });

  it("are not kept where a run inside cannot be taken up", () => {
    const outer = journal(1);
    outer.keepHeld(call(1), undefined);
    expect(new Held().keep(outer, "mine", TTL, false)).toBeUndefined();
  });
});

describe("a journal", () => {
  it("gives each answer once, in order, by tool and arguments", () => {
    const first = journal();
    for (const text of ["1", "2"]) first.keep(call(1), { resultText: text });
    const replay = first.replay();
    const same = { ...call(9), args: JSON.parse(canonicalJson({ n: 1 })) };
    expect([1, 2, 3].map(() => replay.answer(same))).toEqual([{ resultText: "1" }, { resultText: "2" }, undefined]);
    expect(first.replay().answer(call(2))).toBeUndefined();
  });

  it("takes over what an earlier one still has", () => {
    const first = journal(10, 20);
    first.keepHeld(call(7), "run_7");
    const replay = first.replay();
    expect(replay.answer(call(0))).toBeDefined();
    const second = journal();
    second.close(RUN, replay);
    const again = second.replay();
    expect(again.answer(call(0))).toBeUndefined();
    expect(again.answer(call(1))).toEqual({ resultText: "x".repeat(20) });
    expect(again.resume(call(7))).toBe("run_7");
  });
});
