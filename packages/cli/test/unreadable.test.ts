import { cpSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openFilling, openLedger } from "@callgate/ledger";
import { describe, expect, it } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;

/** Leaves that no broker writes, made of a true one. */
const LEAVES: readonly ((leaf: string) => string)[] = [
  () => "null",
  () => "5",
  () => "{}",
  () => "not json",
  () => '{"decision":5,"tool":7,"kind":"intent","seq":"x","ts":5}',
  () => `{"a":${deep}}`,
  (leaf) => leaf.replace(/}$/, `,"x":${deep}}`),
  (leaf) => leaf.replace(/"ts":"[^"]*"/, '"ts":"yesterday"'),
  (leaf) => leaf.replace(/"tool":\{[^}]*\}/, '"tool":{"server":"mail"}'),
];

const COMMANDS: readonly (readonly string[])[] = [
  ["ledger", "query"],
  ["ledger", "timeline", "--session", "ses_a"],
  ["ledger", "stats"],
  ["incident", "open", "--session", "ses_a"],
];

/** A ledger of some calls in which a few intents were edited. */
async function edited(): Promise<string> {
  const data = join(await emptyFolder(), "data");
  const ledger = await openLedger({ folder: data, sync: "off" });
  const tool = { server: "mail", name: "send", digest: `sha256:${"1".repeat(64)}` } as const;
  for (let i = 0; i < LEAVES.length + 2; i++) {
    const who = { agent: "bot", session: "ses_a", call: `c${i}`, tool };
    const decision = { verdict: "allow", rules: ["may-mail"], policies: "p" } as const;
    await ledger.append({ kind: "intent", ...who, decision, payloads: { args: `{"to":"ann ${i}"}` } });
    await ledger.append({ kind: "outcome", ...who, status: "ok", ms: 2 });
  }
  await ledger.close();
  const db = new DatabaseSync(join(data, "ledger.db"));
  db.exec("DROP TRIGGER record_update");
  const set = db.prepare("UPDATE record SET leaf = ? WHERE seq = ?");
  for (const [i, change] of LEAVES.entries()) {
    const seq = 2 + 2 * i;
    const { leaf } = db.prepare("SELECT leaf FROM record WHERE seq = ?").get(seq) as { leaf: string };
    expect(change(leaf)).not.toBe(leaf);
    set.run(change(leaf), seq);
  }
  db.close();
  return data;
}

describe("records that somebody edited", () => {
  it("are left out and told of, and the command goes on", async () => {
    const data = await edited();
    const out = join(data, "..", "out");
    const last = String(2 * LEAVES.length + 2);
    const ran = await Promise.all([
      ...COMMANDS.map((command) => callgate(...command, "--data", data)),
      callgate("ledger", "export", "--to", `ocsf:${out}.ocsf`, "--data", data),
      callgate("ledger", "export", "--to", `jsonl:${out}.jsonl`, "--payloads", "--data", data),
    ]);
    for (const { code, err } of ran) {
      expect(err).toMatch(/^warning: record \d+ cannot be read: run `callgate ledger verify`$/m);
      expect(err).toMatch(/^warning: 4 more records cannot be read$/m);
      expect(err).not.toMatch(/error|at .*:\d+:\d+/);
      expect(code).toBe(0);
    }
    // What they are searched for is not in them.
    for (const query of ["ms>0 -user:x", "rule:may-mail kind:outcome"])
      expect(await callgate("ledger", "query", query, "--data", data)).toMatchObject({ code: 0, err: "" });
    expect(ran[0]?.out).toMatch(new RegExp(`^ *${last} .*mail__send`, "m"));
  });

  it("are said to be just that where one is asked for", async () => {
    const data = await edited();
    for (const command of [
      ["ledger", "show", "4"],
      ["ledger", "proof", "4"],
    ]) {
      const { code, err } = await callgate(...command, "--data", data);
      expect([code, err]).toEqual([
        1,
        expect.stringMatching(/^error: record 4 cannot be read.*\n {2}help: run `callgate ledger verify`\n$/),
      ]);
    }
  });

  it("do not stop the index of words", async () => {
    const data = await edited();
    const copy = `${data}-copy`;
    cpSync(data, copy, { recursive: true });
    const filling = openFilling(copy);
    const { indexed, head } = filling.step();
    filling.close();
    expect([indexed, head]).toEqual([2 * LEAVES.length + 5, 2 * LEAVES.length + 5]);
  });
});
