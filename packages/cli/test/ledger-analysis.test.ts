import { rmSync } from "node:fs";
import { shredSession } from "@callgate/ledger";
import { afterAll, expect, test } from "vitest";
import { lines, recordedData } from "./recorded.ts";
import { callgate, type Ran } from "./run.ts";

const data = await recordedData();
afterAll(() => rmSync(data, { recursive: true }));

const ledger = (...args: string[]): Promise<Ran> => callgate("ledger", ...args, "--data", data);

test("a call is shown with what caused it and what it caused", async () => {
  const [people, programs] = await Promise.all([ledger("tree", "--call", "call_4"), ledger("tree", "--json")]);
  expect(lines(people)).toEqual([
    'files__read {"path":"wire transfer.txt"}  ok in 30 ms  #2-3',
    '└─ mail__send {"path":"b"}  error in 900 ms: upstream: it broke  #4-5',
    '   └─ * files__read {"path":"c"}  ok in 10 ms  #7-8',
  ]);
  const [root] = JSON.parse(programs.out);
  expect(root.children[0].children.map((c: { call: string }) => c.call)).toEqual(["call_4"]);
});

test("statistics count what a query leaves", async () => {
  const [people, programs] = await Promise.all([ledger("stats"), ledger("stats", "agent:bot", "--json")]);
  expect(people.err).toBe("");
  expect(people.out).toMatch(/^8 records, .*\n4 calls: 3 run, 1 denied \(25\.0 %\); 0 held\nended: ok 2, error 1\n/);
  expect(people.out).toContain("no-mail  1\n");
  expect(people.out).toContain("there is no index of words");
  expect(JSON.parse(programs.out)).toMatchObject({
    records: 6,
    calls: 3,
    denied: 0,
    tools: [
      { tool: "mail__send", calls: 1, p50: 900, p95: 900, max: 900 },
      { tool: "files__read", calls: 2, p50: 10, p95: 30, max: 30 },
    ],
    sessions: [{ name: "ses_1", agent: "bot", calls: 3, errors: 1, ms: 940, cost: 7 }],
    errors: [{ name: "upstream", count: 1 }],
    hours: [{ calls: 3, denied: 0 }],
    search: { head: 8 },
  });
});

test("SQL answers a SELECT, and nothing else", async () => {
  const [people, json, refused] = await Promise.all([
    ledger("sql", "SELECT tool, count(*) AS n FROM calls GROUP BY tool ORDER BY tool"),
    ledger("sql", "SELECT call, status FROM calls WHERE ms > 100", "--json"),
    ledger("sql", "DELETE FROM record"),
  ]);
  expect(lines(people)).toEqual(["tool         n", "files__read  2", "mail__send   2"]);
  expect(json.out).toBe('{"call":"call_2","status":"error"}\n');
  expect(refused).toMatchObject({ code: 2, out: "" });
  expect(refused.err).toMatch(/^error: nothing can be changed here\n {2}help: one SELECT over `records`/);
});

test("the index is brought up to date and made anew", async () => {
  expect(await ledger("index")).toMatchObject({ code: 0, out: "indexed: 8 records\n" });
  const rebuilt = await ledger("index", "--rebuild", "--json");
  expect(JSON.parse(rebuilt.out)).toEqual({ indexed: 8, head: 8 });
  expect(JSON.parse((await ledger("stats", "--json")).out).search).toEqual({ indexed: 8, head: 8, missed: 0 });
});

test("what was shredded shows as such, and its words are found no more", async () => {
  await shredSession({ folder: data }, "ses_1");
  const [shown, timeline, found] = await Promise.all([
    ledger("show", "2"),
    ledger("timeline", "--session", "ses_1"),
    ledger("query", "wire transfer", "--json"),
  ]);
  expect(lines(shown)).toEqual(expect.arrayContaining(["args:", "(shredded)"]));
  expect(timeline.out).toContain("files__read (shredded)\n");
  expect(found).toMatchObject({ code: 0, out: "" });
});
