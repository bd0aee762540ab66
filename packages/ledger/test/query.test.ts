import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it, vi } from "vitest";
import { parseFilter } from "../src/filter.ts";
import { ledgerPath } from "../src/folder.ts";
import { type LedgerFilter, openLedger, openReader } from "../src/index.ts";
import { selectRows } from "../src/select.ts";

const digest = digestOf("d");
const allow = { verdict: "allow", rules: ["r"], policies: "p" } as const;
const deny = { verdict: "deny", rules: ["r"], policies: "p" } as const;

/** The record's number is its seq; one minute lies between two of them. */
const DRAFTS: RecordDraft[] = [
  /* 2 */ {
    kind: "intent",
    agent: "bot",
    session: "s1",
    call: "c1",
    tool: { server: "mail", name: "send", digest },
    decision: allow,
  },
  /* 3 */ {
    kind: "outcome",
    agent: "bot",
    session: "s1",
    call: "c1",
    tool: { server: "mail", name: "send", digest },
    status: "ok",
  },
  /* 4 */ {
    kind: "denial",
    agent: "bot",
    session: "s1",
    call: "c2",
    tool: { server: "mail", name: "list", digest },
    decision: deny,
  },
  /* 5 */ {
    kind: "intent",
    agent: "cat",
    session: "s2",
    call: "c3",
    tool: { server: "files", name: "read", digest },
    decision: allow,
  },
  /* 6 */ {
    kind: "outcome",
    agent: "cat",
    session: "s2",
    call: "c3",
    tool: { server: "files", name: "read", digest },
    status: "error",
  },
  /* 7 */ { kind: "denial", agent: "bat", tool: { server: "docs", name: "resources/read", digest }, decision: deny },
  /* 8 */ { kind: "denial", agent: "bat", tool: { server: "", name: "mail__nothing", digest }, decision: deny },
  /* 9 */ { kind: "approval", agent: "b[o]t", call: "c2" },
];
const START = Date.parse("2026-03-01T12:00:00Z");
const minute = (n: number) => new Date(START + n * 60_000).toISOString();

/** A ledger of these drafts at these minutes. */
async function filled(drafts: readonly RecordDraft[], minutes: readonly number[]): Promise<string> {
  const folder = join(root, `${folders++}`);
  const now = vi.spyOn(Date, "now").mockReturnValue(START);
  const ledger = await openLedger({ folder });
  for (const [i, draft] of drafts.entries()) {
    now.mockReturnValue(START + (minutes[i] as number) * 60_000);
    await ledger.append(draft);
  }
  await ledger.close();
  now.mockRestore();
  return folder;
}

let folders = 0;
const root = mkdtempSync(join(tmpdir(), "callgate-query-"));
const folder = await filled(DRAFTS, [1, 2, 3, 4, 5, 6, 7, 8]);
const reader = openReader(folder);
afterAll(() => {
  reader.close();
  rmSync(root, { recursive: true });
});

const seqs = (filter: LedgerFilter) => reader.query(filter).map((r) => r.seq);

describe("query", () => {
  it.each<[LedgerFilter, number[]]>([
    [{}, [9, 8, 7, 6, 5, 4, 3, 2, 1]],
    [{ order: "asc", limit: 2 }, [1, 2]],
    [{ limit: 2 }, [9, 8]],
    [{ after: 6 }, [9, 8, 7]],
    [{ after: 3, order: "asc", limit: 2 }, [4, 5]],
    [{ kind: ["denial"] }, [8, 7, 4]],
    [{ kind: ["denial", "boot", "denial"] }, [8, 7, 4, 1]],
    [{ kind: ["denial", "outcome"], limit: 2 }, [8, 7]],
    [{ kind: [] }, []],
    [{ agent: "bot" }, [4, 3, 2]],
    [{ agent: "b?t" }, [8, 7, 4, 3, 2]],
    [{ agent: "b*" }, [9, 8, 7, 4, 3, 2]],
    [{ agent: "b[o]*" }, [9]],
    [{ agent: "*" }, [9, 8, 7, 6, 5, 4, 3, 2]],
    [{ agent: "b*", limit: 2 }, [9, 8]],
    [{ agent: "b*", limit: 2, order: "asc" }, [2, 3]],
    [{ agent: "b*", tool: "*l*" }, [8, 4, 3, 2]],
    [{ session: "s2" }, [6, 5]],
    [{ call: "c2" }, [9, 4]],
    [{ tool: "mail__send" }, [3, 2]],
    [{ tool: "mail__*" }, [8, 4, 3, 2]],
    [{ tool: "docs/*" }, [7]],
    [{ verdict: "deny" }, [8, 7, 4]],
    [{ verdict: "allow" }, [5, 2]],
    [{ verdict: "deny", tool: "mail__*", agent: "bot" }, [4]],
    [{ status: "error" }, [6]],
    [{ status: "ok", agent: "b*" }, [3]],
    [{ session: "s1", kind: ["denial", "intent"], tool: "mail__*" }, [4, 2]],
    [{ since: minute(5) }, [9, 8, 7, 6]],
    [{ until: minute(1) }, [2, 1]],
    [{ since: minute(2), until: minute(3) }, [4, 3]],
    [{ since: minute(9) }, []],
    [{ until: "2026-02-28" }, []],
    [{ agent: "bot", since: minute(2) }, [4, 3]],
    [{ since: minute(2), after: 6 }, [9, 8, 7]],
  ])("selects by %j", (filter, expected) => {
    expect(seqs(filter)).toEqual(expected);
  });

  it("finds by time over a clock that went back", async () => {
    const minutes = [10, 20, 5, 15, 25];
    const drafts = minutes.map((at): RecordDraft => ({ kind: "config", detail: { at } }));
    const reader = openReader(await filled(drafts, minutes));
    const at = (filter: LedgerFilter) =>
      reader.query({ kind: ["config"], order: "asc", ...filter }).map((r) => r.detail?.at);
    expect(at({ since: minute(9) })).toEqual([10, 20, 15, 25]);
    expect(at({ until: minute(9) })).toEqual([5]);
    expect(at({ since: minute(6), until: minute(16) })).toEqual([10, 15]);
    expect(at({ since: minute(18), until: minute(22) })).toEqual([20]);
    reader.close();
  });

  it.each<[LedgerFilter, string]>([
    [{ limit: 0 }, "`0` in `limit` is out of range"],
    [{ limit: 10_001 }, "`10001` in `limit` is out of range"],
    [{ after: -1 }, "`-1` in `after` is out of range"],
    [{ since: "yesterday" }, "`yesterday` in `since` is not a time"],
    [{ until: "2026-13-01" }, "`2026-13-01` in `until` is not a time"],
    [{ kind: ["intents"] }, "`intents` is not a value of `kind`"],
    [{ verdict: "denied" }, "`denied` is not a value of `verdict`"],
    [{ status: "failed" }, "`failed` is not a value of `status`"],
  ])("refuses %j", (filter, message) => {
    expect(() => reader.query(filter)).toThrow(expect.objectContaining({ code: "LEDGER_FILTER_INVALID", message }));
  });

  it.each<[LedgerFilter, string]>([
    [{ agent: "bot" }, "record_agent"],
    [{ agent: "b*" }, "record_agent"],
    [{ agent: "bot", since: minute(1) }, "record_agent"],
    [{ session: "s1" }, "record_session"],
    [{ call: "c1" }, "record_call"],
    [{ tool: "mail__send" }, "record_tool"],
    [{ tool: "mail__*" }, "record_tool"],
    [{ verdict: "deny" }, "record_rare_verdict"],
    [{ tool: "mail__*", verdict: "deny" }, "record_rare_tool"],
    [{ tool: "mail__*", verdict: "deny", agent: "b*", status: "ok" }, "record_rare_tool"],
    [{ verdict: "deny", agent: "bot" }, "record_rare_verdict"],
    [{ status: "error" }, "record_rare_status"],
    [{ status: "error", agent: "bot", tool: "*" }, "record_rare_status"],
    [{ session: "s1", agent: "b*", kind: ["denial"] }, "record_session"],
    [{ kind: ["denial"] }, "record_rare_kind"],
    [{ kind: ["denial", "approval"] }, "record_rare_kind"],
  ])("has an index for %j", (filter, index) => {
    const statements: string[] = [];
    const db = new Database(ledgerPath(folder), { readonly: true, verbose: (sql) => statements.push(String(sql)) });
    Array.from(selectRows(db, parseFilter(filter)));
    const plans = statements
      .filter((sql) => sql.startsWith("SELECT seq, leaf"))
      .map((sql) =>
        db
          .prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map((row) => row.detail)
          .join("; "),
      );
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) {
      expect(plan).toContain(index);
      // A call has few records; everything else comes sorted.
      expect(filter.call !== undefined || !plan.includes("TEMP B-TREE")).toBe(true);
    }
    db.close();
  });
});

describe("show", () => {
  it("gives the leaf's exact text, its hash and its payloads", async () => {
    const payloads = { args: '{"a": 1}', result: "not json", facts: "{}" };
    const reader = openReader(await filled([{ kind: "outcome", payloads }], [1]));
    const shown = reader.show(2);
    expect(shown?.payloads).toEqual(payloads);
    // RFC 6962's hash of a leaf.
    expect(shown?.hash).toBe(`sha256:${hash("sha256", `\0${shown?.leaf}`)}`);
    expect(JSON.parse(shown?.leaf ?? "")).toEqual(shown?.record);
    expect(reader.show(3)).toBeUndefined();
    reader.close();
  });
});
