import { rmSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { csvLine, printCsv } from "../src/render/csv.ts";
import { recordHead, recordLine } from "../src/render/records.ts";
import { recordedData, seqs, tool } from "./recorded.ts";
import { callgate, type Ran } from "./run.ts";

const data = await recordedData();
afterAll(() => rmSync(data, { recursive: true }));

const ledger = (...args: string[]): Promise<Ran> => callgate("ledger", ...args, "--data", data);

test("a query is one text, or as the shell left it, and the options add to it", async () => {
  const [one, several, both, wrong] = await Promise.all([
    ledger("query", "tool:mail__* -verdict:deny since:1h", "--json"),
    ledger("query", "agent:bot", "text:wire transfer", "--json"),
    ledger("query", "--kind", "intent,denial", "tool:mail__*", "--agent", "*", "--json"),
    ledger("query", "kind:intent agnt:bot"),
  ]);
  expect(seqs(one)).toEqual([5, 4]);
  expect(seqs(several)).toEqual([2]);
  expect(seqs(both)).toEqual([6, 4]);
  expect(wrong).toEqual({
    code: 2,
    out: "",
    err: "error: there is no field `agnt` (column 13 of `kind:intent agnt:bot`)\n  help: did you mean `agent`?\n",
  });
});

test("pages go on after the last record of the one before, in either order", async () => {
  const first = await ledger("query", "agent:bot", "--limit", "2");
  expect(first.err).toBe("the first 2; the next ones: --after 7, or --all\n");
  const [next, oldest, all] = await Promise.all([
    ledger("query", "agent:bot", "--limit", "2", "--after", "7", "--json"),
    ledger("query", "agent:bot", "--oldest", "--limit", "2", "--after", "3", "--json"),
    ledger("query", "agent:bot", "--all", "--limit", "1", "--json"),
  ]);
  expect(seqs(next)).toEqual([5, 4]);
  expect(seqs(oldest)).toEqual([4, 5]);
  expect(seqs(all)).toEqual([8, 7, 5, 4, 3, 2]);
});

test("a condition in CEL cuts down further, and says what it could not judge", async () => {
  const [found, unsure, wrong] = await Promise.all([
    ledger("query", "--where", "record.ms > 20 && record.tool.server == 'files'", "--json"),
    ledger("query", "--where", "record.detail.facts > 5"),
    ledger("query", "--where", "record.tol.server == 'files'"),
  ]);
  expect(seqs(found)).toEqual([3]);
  expect(unsure.out).toBe("no record matches\n");
  expect(unsure.err).toMatch(/^left out 3 records: the condition cannot be evaluated for them: /);
  expect(wrong).toMatchObject({ code: 2, out: "" });
  expect(wrong.err).toContain("--where:1:8: `record` has no field `tol`\n  help: did you mean `tool`?\n");
});

test("CSV is as RFC 4180 has it, and starts no formula", async () => {
  const { out, code } = await ledger("query", "verdict:deny", "--csv");
  expect(code).toBe(0);
  const [head, ...rest] = out.split("\r\n");
  expect(head).toBe(
    "seq,time,kind,agent,user,session,call,parent,trace,boot,tool,verdict,status,rules,approver,error,message,ms,args,result,detail",
  );
  expect(rest.join("\r\n")).toMatch(
    /^6,[^,]+Z,denial,'=cmd\|' \/C calc'!A0,,ses_2,call_3,call_2,,boot_\w+,mail__send,deny,,no-mail,,no-mail,"not ""now"",\nnever",,,,\r\n$/,
  );
  expect(csvLine(["-1", -1, "@x", " =x", "a,b", null])).toBe("'-1,-1,'@x,' =x,\"a,b\",\r\n");
});

test("tail takes a query too", async () => {
  const tail = await ledger("tail", "agent:bot status:*", "-n", "2", "--json");
  expect(seqs(tail)).toEqual([5, 8]);
});

test("a record's line fits the terminal, and its columns stay where they are", () => {
  for (const width of [80, 100, 120, 160, 200, 300]) {
    const record = {
      v: 2,
      log: "log_1",
      seq: 12_345_678,
      prev: `sha256:${"0".repeat(64)}`,
      boot: "boot_1",
      ts: "2026-03-01T12:00:00.000Z",
      mono: 1,
      kind: "approval",
      agent: "a".repeat(40),
      tool: tool("s".repeat(20), "t".repeat(40)),
      error: { code: "c", message: "m".repeat(400) },
    } as const;
    const line = recordLine(record, width);
    expect(line.length).toBeLessThanOrEqual(width);
    expect(line.indexOf("c: mm")).toBe(recordHead(width).indexOf("what"));
  }
});

test("a terminal gets no control characters in CSV, a program the texts as they are", () => {
  const told: string[] = [];
  const write = (text: string): unknown => told.push(text);
  for (const isTTY of [true, false]) printCsv(["a\u001b]0;pwn\u0007", 1, null], { isTTY, write });
  expect(told[0]).not.toMatch(/[\u0000-\u0009\u000b\u000c\u000e-\u001f]/);
  expect(told[0]).toContain("pwn");
  expect(told[1]).toBe("a\u001b]0;pwn\u0007,1,\r\n");
});
