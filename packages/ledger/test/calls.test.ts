import { digestOf, type RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { ledgerPath } from "../src/folder.ts";
import { type CallFilter, type LedgerReader, openLedger, openReader } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const tool = (server: string, name: string) => ({ server, name, digest: digestOf("d") });
const decision = { verdict: "allow", rules: ["r"], policies: "p" } as const;

function seqs(reader: LedgerReader, filter: CallFilter): number[] {
  return [...reader.calls(filter)].map(({ record }) => record.seq);
}

async function reading(
  drafts: readonly RecordDraft[],
  work: (reader: LedgerReader, folder: string) => unknown,
): Promise<void> {
  const folder = dataFolder();
  const ledger = await openLedger({ folder, sync: "off" });
  try {
    for (const draft of drafts) ledger.appendLater(draft);
    await ledger.append({ kind: "config" });
    const reader = openReader(folder);
    try {
      await work(reader, folder);
    } finally {
      reader.close();
    }
  } finally {
    await ledger.close();
  }
}

test("calls come oldest first, each with those payloads of its own that were asked for", async () => {
  const drafts: RecordDraft[] = [
    {
      kind: "intent",
      agent: "bot",
      call: "c1",
      tool: tool("mail", "send"),
      decision,
      payloads: { args: "[1]", facts: "{}" },
    },
    {
      kind: "outcome",
      agent: "bot",
      call: "c1",
      tool: tool("mail", "send"),
      status: "ok",
      payloads: { result: "[2]" },
    },
    { kind: "denial", agent: "bat", call: "c2", tool: tool("mail", "list"), decision },
    { kind: "intent", agent: "bat", call: "c3", tool: tool("files", "read"), decision, payloads: { args: "[3]" } },
  ];
  await reading(drafts, (reader) => {
    // Record 1 is the boot's.
    expect([...reader.calls({})].map(({ record, payloads }) => [record.seq, record.call, payloads])).toEqual([
      [2, "c1", { args: "[1]", facts: "{}" }],
      [4, "c2", {}],
      [5, "c3", { args: "[3]" }],
    ]);
    const outcomes = [...reader.calls({ kind: ["outcome", "intent"], payloads: ["result"] })];
    expect(outcomes.map(({ record, payloads }) => [record.seq, payloads])).toEqual([
      [2, {}],
      [3, { result: "[2]" }],
      [5, {}],
    ]);
    expect(seqs(reader, { agent: "ba*" })).toEqual([4, 5]);
    expect(seqs(reader, { tool: "mail__*" })).toEqual([2, 4]);
    expect(seqs(reader, { tool: "mail__*", agent: "bat" })).toEqual([4]);
    expect(seqs(reader, { after: 2 })).toEqual([4, 5]);
    expect(seqs(reader, { since: "2099-01-01" })).toEqual([]);
    expect(reader.calls({ since: "2099-01-01" }).records).toBe(0);
    expect(() => reader.calls({ kind: ["nothing"] })).toThrow(/`nothing` is not a value of `kind`/);
  });
});

test("a long scan tells how far it is and lets the writer's log of writes come to an end", async () => {
  const many = Array.from({ length: 4500 }, (_, i): RecordDraft => ({ kind: "intent", call: `c${i}`, decision }));
  await reading(many, (reader, folder) => {
    const writer = new Database(ledgerPath(folder));
    const held = (): unknown => (writer.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[])[0]?.busy;
    const told: unknown[] = [];
    writer.pragma("busy_timeout = 0");
    const scan = reader.calls({}, (done, total) => told.push([done, total, held()]));
    let calls = 0;
    for (const { record } of scan) {
      calls++;
      // Whoever looks at a record for long does not hold the file meanwhile.
      if (record.seq === 10) expect(held()).toBe(0);
    }
    writer.close();
    expect(calls).toBe(4500);
    expect(scan.records).toBe(4502);
    expect(told).toEqual([
      [2000, 4502, 0],
      [4000, 4502, 0],
      [4502, 4502, 0],
    ]);
  });
});
