import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { forgetSession, openFilling, openIndexer, openLedger, openReader, parseQuery } from "../src/index.ts";

const root = mkdtempSync(join(tmpdir(), "callgate-search-"));
afterAll(() => rmSync(root, { recursive: true }));

const tool = { server: "mail", name: "send", digest: digestOf("d") };
const allow = { verdict: "allow", rules: ["may-mail", "second"], policies: "p" } as const;

function intent(session: string, args: unknown, more: Partial<RecordDraft> = {}): RecordDraft {
  const text = JSON.stringify(args);
  const decision = allow;
  return {
    kind: "intent",
    agent: "bot",
    session,
    tool,
    decision,
    args: digestOf(text),
    payloads: { args: text },
    ...more,
  };
}

async function append(folder: string, drafts: readonly RecordDraft[]): Promise<void> {
  const ledger = await openLedger({ folder, sync: "off" });
  await Promise.all(drafts.map((draft) => ledger.append(draft)));
  await ledger.close();
}

function fill(folder: string, rebuild = false): void {
  const filling = openFilling(folder, { rebuild });
  for (let done = filling.step(); done.indexed < done.head; ) done = filling.step();
  filling.close();
}

function seqs(folder: string, text: string, more: object = {}): number[] {
  const parsed = parseQuery(text);
  if (!parsed.ok) throw new Error(parsed.message);
  const reader = openReader(folder);
  try {
    return reader.query({ order: "asc", limit: 10_000, ...parsed.query, ...more }).map((r) => r.seq);
  } finally {
    reader.close();
  }
}

describe("terms", () => {
  const folder = join(root, "terms");
  beforeAll(() =>
    // Record 1 is the run's own.
    append(folder, [
      /* 2 */ intent("s1", {}, { call: "c1", user: "ann", trace: "t1" }),
      /* 3 */ { kind: "outcome", agent: "bot", session: "s1", call: "c1", tool, status: "ok", ms: 12.5 },
      /* 4 */ intent("s1", {}, { call: "c2", parent: "c1", user: "anne", agent: "cat" }),
      /* 5 */ {
        kind: "denial",
        agent: "cat",
        session: "s2",
        call: "c3",
        tool: { ...tool, server: "pay" },
        decision: { verdict: "deny", rules: ["no-pay"], policies: "p" },
        error: { code: "no-pay", message: "not now" },
      },
      /* 6 */ {
        kind: "outcome",
        agent: "cat",
        session: "s1",
        call: "c2",
        tool,
        status: "error",
        ms: 900,
        error: { code: "upstream", message: "it broke" },
      },
    ]),
  );

  it.each<[string, number[]]>([
    ["user:ann", [2]],
    ["user:ann*", [2, 4]],
    ["-user:ann", [1, 3, 4, 5, 6]],
    ["user:*", [2, 4]],
    ["-user:*", [1, 3, 5, 6]],
    ["rule:second", [2, 4]],
    ["rule:may-mail rule:second", [2, 4]],
    ["rule:no-*", [5]],
    ["-rule:*", [1, 3, 6]],
    ["error:upstream,no-pay", [5, 6]],
    ["parent:c1", [4]],
    ["trace:t1", [2]],
    ["boot:nothing", []],
    ["ms:>12", [3, 6]],
    ["ms:12.5", [3]],
    ["ms:<=900 -ms:<100", [6]],
    ["-ms:>100", [1, 2, 3, 4, 5]],
    ["seq:2..3,6", [2, 3, 6]],
    ["seq:>4", [5, 6]],
    ["-seq:2..5", [1, 6]],
    ["seq:>1 seq:<3", [2]],
    ["agent:bot,cat kind:outcome", [3, 6]],
    ["agent:b*,cat -tool:pay__*", [2, 3, 4, 6]],
    ["-agent:bot", [1, 4, 5, 6]],
    ["session:s1,s2 -verdict:allow", [3, 5, 6]],
    ["call:c1,c3", [2, 3, 5]],
    ["verdict:deny tool:pay__*", [5]],
    ["verdict:allow,deny", [2, 4, 5]],
    ["status:error,ok", [3, 6]],
    ["kind:out*", [3, 6]],
  ])("select by `%s`", (text, expected) => {
    expect(seqs(folder, text)).toEqual(expected);
    expect(seqs(folder, text, { order: "desc" })).toEqual(expected.toReversed());
  });

  it("take a condition of the caller, and go on page after page", () => {
    const reader = openReader(folder);
    const found = [...reader.records({ limit: 1 }, (r) => (r.ms ?? 0) > 10 || r.kind === "denial")];
    expect(found.map((r) => r.seq)).toEqual([6, 5, 3]);
    expect([...reader.records({ limit: 2, before: 5, order: "asc", agent: "*" })].map((r) => r.seq)).toEqual([2, 3, 4]);
    reader.close();
  });
});

describe("words", () => {
  const folder = join(root, "words");
  const MANY = 1500;
  beforeAll(async () => {
    const drafts: RecordDraft[] = Array.from({ length: MANY }, (_, i) => intent(`s${i % 3}`, { n: `filler${i}` }));
    drafts[9] = intent("s-wire", { to: "a@example.com", text: "A Wire\nTransfer, naïve" }); // 11
    drafts[19] = intent("s-wire", { text: "transfer the wire" }); // 21
    drafts[29] = {
      kind: "denial",
      agent: "cat",
      session: "s-deny",
      tool,
      decision: { verdict: "deny", rules: ["no"], policies: "p" },
      error: { code: "no", message: "wire transfer refused" },
    }; // 31
    drafts[39] = {
      kind: "outcome",
      session: "s-out",
      tool,
      status: "ok",
      payloads: { result: JSON.stringify({ content: [{ type: "text", text: "secretword 4711" }] }) },
      result: digestOf("r"),
    }; // 41
    await append(folder, drafts);
    fill(folder);
  });

  it.each<[string, number[]]>([
    ['text:"wire transfer"', [11, 31]],
    ["wire transfer", [11, 21, 31]],
    ["text:secretword", [41]],
    ["4711", [41]],
    ["a@example.com", [11]],
    ["naive", [11]],
    ["text:transf*", [11, 21, 31]],
    ["text:secretword,refused", [31, 41]],
    ['wire -"wire transfer"', [21]],
    ["wire verdict:deny", [31]],
    ["wire -agent:cat", [11, 21]],
    ["wire seq:>20", [21, 31]],
    ["wire session:s-wire", [11, 21]],
    ["type", []],
    ["nothing", []],
  ])("are found by `%s`", (text, expected) => {
    expect(seqs(folder, text)).toEqual(expected);
    expect(seqs(folder, text, { order: "desc" })).toEqual(expected.toReversed());
  });

  it("are found in records that the index does not have yet, and the lag is told", async () => {
    const copy = join(root, "lag");
    await append(
      copy,
      Array.from({ length: 1200 }, (_, i) => intent("s", { i })),
    );
    fill(copy);
    await append(copy, [intent("s", { text: "newcomer" })]);
    const reader = openReader(copy);
    expect(reader.searchState()).toEqual({ indexed: 1201, head: 1203, missed: 0 });
    reader.close();
    expect(seqs(copy, "newcomer")).toEqual([1203]);
  });

  it("need an index where there is much to look at, and none where there is little", async () => {
    const bare = join(root, "bare");
    await append(bare, [...Array.from({ length: 1100 }, (_, i) => intent("s", { i })), intent("t", { text: "word" })]);
    expect(() => seqs(bare, "word")).toThrow(expect.objectContaining({ code: "LEDGER_NOT_INDEXED" }));
    expect(seqs(bare, "word session:t")).toEqual([1102]);
    expect(seqs(bare, "word seq:>1000")).toEqual([1102]);
  });

  it("do not get into an answer by way of the index", () => {
    const db = new Database(join(folder, "search.db"));
    db.exec(
      "INSERT INTO words (rowid, text) VALUES (100000, 'planted'); INSERT OR REPLACE INTO words (rowid, text) VALUES (50, 'planted')",
    );
    db.close();
    expect(seqs(folder, "planted")).toEqual([]);
    fill(folder, true);
    expect(seqs(folder, "wire")).toEqual([11, 21, 31]);
  });

  it("can be made anew where the file is no index", () => {
    writeFileSync(join(folder, "search.db"), "not a database at all, whatever its name says".repeat(100));
    expect(() => seqs(folder, "wire")).toThrow(expect.objectContaining({ code: "LEDGER_NOT_INDEXED" }));
    fill(folder, true);
    expect(seqs(folder, "wire")).toEqual([11, 21, 31]);
    expect(statSync(join(folder, "search.db")).mode & 0o077).toBe(0);
  });

  it("of a forgotten session are gone from the file", () => {
    const held = (word: string) =>
      ["search.db", "search.db-wal"].some((name) => readFileSync(join(folder, name), { flag: "a+" }).includes(word));
    expect(held("secretword")).toBe(true);
    forgetSession(folder, "s-out");
    expect(held("secretword")).toBe(false);
    expect(seqs(folder, "wire")).toEqual([11, 21, 31]);
    forgetSession(folder, "never there");
    forgetSession(join(root, "terms"), "s1");
  });

  it("of a forgotten session are gone beside a reader too, or it is said that they are not", async () => {
    const shared = join(root, "shared");
    await append(shared, [intent("s-read", { word: "lingeringword" })]);
    fill(shared);
    const held = () =>
      ["search.db", "search.db-wal"].some((name) =>
        readFileSync(join(shared, name), { flag: "a+" }).includes("lingeringword"),
      );
    const other = new Database(join(shared, "search.db"), { readonly: true });
    other.exec("BEGIN");
    other.prepare("SELECT count(*) FROM entry").get();
    expect(() => forgetSession(shared, "s-read")).toThrow(expect.objectContaining({ code: "LEDGER_INDEX_BUSY" }));
    other.exec("COMMIT");
    // It is open still, but reads no more.
    forgetSession(shared, "s-read");
    expect(held()).toBe(false);
    other.close();
  });

  it("are indexed by a thread behind the ledger", async () => {
    const live = join(root, "live");
    await append(
      live,
      Array.from({ length: 1500 }, (_, i) => intent("s", { i })),
    );
    const indexer = openIndexer(live, (error) => expect.unreachable(error.message));
    const indexed = () => {
      const reader = openReader(live);
      try {
        return reader.searchState().indexed;
      } finally {
        reader.close();
      }
    };
    await vi.waitFor(() => expect(indexed()).toBe(1501), 15_000);
    await append(live, [intent("s", { text: "late" })]);
    await vi.waitFor(() => expect(indexed()).toBe(1503), 15_000);
    await indexer.close();
    expect(seqs(live, "late")).toEqual([1503]);
  });
});
