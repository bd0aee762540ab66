import type { LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import fc from "fast-check";
import { expect, test } from "vitest";
import { definitionLines, diffLines } from "../src/render/diff.ts";
import { jsonLines, shortText } from "../src/render/json.ts";
import { recordHead, recordLine } from "../src/render/records.ts";
import { exampleLines } from "../src/render/simulation.ts";
import { renderTimeline } from "../src/render/timeline.ts";

const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const HOSTILE = "a\u001b[2Jb\u202ec\r\nd\u009bz\u200b\ud800";

test("what a terminal would act on or a person would not see is escaped", () => {
  expect(printable(HOSTILE)).toBe("a\\u{1b}[2Jb\\u{202e}c\\r\\nd\\u{9b}z\\u{200b}\\u{d800}");
  expect(printable("grüße 漢字 🙂")).toBe("grüße 漢字 🙂");
});

test("whatever is printed holds no control characters", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.jsonValue(), (text, value) => {
      const lines = [
        printable(text),
        shortText(text, 20),
        ...jsonLines(text),
        ...jsonLines(JSON.stringify(value)),
        ...diffLines(text, value),
        ...definitionLines({ description: text, inputSchema: value }),
      ];
      for (const line of lines) expect(line).not.toMatch(UNSAFE);
      expect(recordLine(record(1, { kind: "denial", agent: text, error: { code: text, message: text } }))).not.toMatch(
        UNSAFE,
      );
      const hostile = record(1, { ts: text, call: text, agent: text });
      const told = [...exampleLines([hostile]), ...renderTimeline([hostile], () => ({ args: text })).split("\n")];
      for (const line of told) expect(line).not.toMatch(UNSAFE);
    }),
  );
});

test("laying out JSON changes nothing but the space between its tokens", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const lines = jsonLines(text);
      // Escapes of what is not printable are the one difference.
      fc.pre(!UNSAFE.test(text));
      expect(JSON.parse(lines.join("\n"))).toEqual(JSON.parse(text));
    }),
  );
  expect(jsonLines('{"id":12345678901234567890,"list":[1,{"a":"b, {c}"}],"none":{},"no":[]}')).toEqual([
    "{",
    '  "id": 12345678901234567890,',
    '  "list": [',
    "    1,",
    "    {",
    '      "a": "b, {c}"',
    "    }",
    "  ],",
    '  "none": {},',
    '  "no": []',
    "}",
  ]);
});

test("a difference shows the lines that went and came, among those that stayed", () => {
  expect(diffLines("one\ntwo\nthree", "one\n2\nthree\nfour")).toEqual(["  one", "- two", "+ 2", "  three", "+ four"]);
  expect(diffLines(undefined, { a: 1 })).toEqual(["+ {", '+   "a": 1', "+ }"]);
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "b", "c")), fc.array(fc.constantFrom("a", "b", "c")), (a, b) => {
      const lines = diffLines(a.join("\n"), b.join("\n"));
      const side = (sign: string) =>
        lines.filter((l) => l.startsWith("  ") || l.startsWith(sign)).map((l) => l.slice(2));
      expect(side("- ").join("\n")).toBe(a.join("\n"));
      expect(side("+ ").join("\n")).toBe(b.join("\n"));
    }),
  );
});

function record(seq: number, more: Partial<LedgerRecord>): LedgerRecord {
  const none = `sha256:${"0".repeat(64)}` as const;
  return {
    v: 2,
    log: "log_1",
    seq,
    prev: none,
    boot: "boot_1",
    ts: `2026-03-01T12:00:0${seq % 10}.000Z`,
    mono: seq,
    kind: "intent",
    ...more,
  };
}

const TOOL = { server: "files", name: "write", digest: `sha256:${"1".repeat(64)}` } as const;

test("a record's line stands under the heading", () => {
  const line = recordLine(
    record(7, {
      kind: "denial",
      agent: "bot",
      tool: TOOL,
      decision: { verdict: "deny", rules: ["no"], policies: "p" },
      error: { code: "no", message: "not here" },
    }),
  );
  expect(`${recordHead()}\n${line}`).toBe(
    [
      "seq      time                     kind     agent            tool                             verdict        what",
      "7        2026-03-01T12:00:07.000Z denial   bot              files__write                     deny           no: not here",
    ].join("\n"),
  );
});

test("a timeline tells each call as one story, in the order in which they began", () => {
  const base = { agent: "bot", session: "ses_1", tool: TOOL, args: TOOL.digest };
  const decision = { verdict: "allow", rules: ["may"], policies: "p" } as const;
  const hold = { verdict: "hold", rules: ["ask-first"], policies: "p" } as const;
  const records = [
    record(1, { ...base, call: "c1", decision }),
    record(2, { ...base, call: "c2", kind: "approval", decision: hold, detail: { approval: "a", state: "asked" } }),
    record(3, {
      ...base,
      call: "c1",
      kind: "outcome",
      status: "error",
      ms: 4,
      error: { code: "tool-error", message: "it broke" },
    }),
    record(4, {
      ...base,
      call: "c3",
      kind: "denial",
      decision: { verdict: "deny", rules: ["never"], policies: "p" },
      error: { code: "never", message: "not this" },
    }),
    record(5, {
      ...base,
      call: "c4",
      parent: "c2",
      kind: "approval",
      decision: { ...hold, approver: "ann" },
      detail: { approval: "a", state: "approved" },
    }),
    record(6, { ...base, call: "c4", parent: "c2", decision: { ...decision, approver: "ann" } }),
    record(7, { ...base, call: "c4", parent: "c2", kind: "outcome", status: "ok", ms: 9 }),
  ];
  expect(renderTimeline(records, (seq) => (seq === 1 ? { args: '{"path":"\u001b[1ma"}' } : {}))).toBe(
    `session ses_1 · agent bot · 2026-03-01T12:00:01.000Z to 2026-03-01T12:00:07.000Z · 4 calls, 2 run, 1 denied

   1  12:00:01.000 files__write {"path":"\\u{1b}[1ma"}
                   allowed by may -> error in 4 ms: tool-error: it broke  #1-3
   2  12:00:02.000 files__write
                   held by ask-first  #2
   3  12:00:04.000 files__write
                   DENIED by never: not this  #4
   4  12:00:05.000 files__write (goes on from 2)
                   approved by ann -> allowed -> ok in 9 ms  #5-7`,
  );
});

test("a timeline has the words of a server that failed from the payload alone", () => {
  const failed = (seq: number, code: string) =>
    record(seq, {
      agent: "bot",
      session: "ses_1",
      call: `c${seq}`,
      tool: TOOL,
      kind: "outcome",
      decision: undefined,
      status: "error",
      error: { code, message: "it failed" },
      result: TOOL.digest,
    } as never);
  const records = [failed(1, "tool-error"), failed(2, "wire/-32000"), failed(3, "tool-error"), failed(4, "callgate/x")];
  const results: Record<number, string> = {
    1: '{"content":[{"type":"text","text":"no \\u001b[1msuch file"}],"isError":true}',
    2: '{"code":-32000,"message":"out of paper"}',
    3: "(shredded)",
    4: '{"content":[{"type":"text","text":"not this"}]}',
  };
  const lines = renderTimeline(records, (seq) => ({ result: results[seq] ?? "" }));
  expect(lines.match(/error.*?: .*?(?= {2}#)/g)).toEqual([
    "error: tool-error: no \\u{1b}[1msuch file",
    "error: wire/-32000: out of paper",
    "error: tool-error: it failed",
    "error: callgate/x: it failed",
  ]);
});

test("a timeline tells what became of a declared session and its task, and counts calls alone", () => {
  const base = { agent: "bot", session: "ses_1", tool: undefined, args: TOOL.digest, decision: undefined };
  const session = (seq: number, detail: object, more: object = {}) =>
    record(seq, { ...base, kind: "session", detail, ...more } as never);
  const made = { agent: "bot", session: "ses_1", tool: TOOL, args: TOOL.digest, call: "c1" };
  const records = [
    session(1, { state: "opened", opener: "harness" }),
    session(2, { state: "task", opener: "harness" }),
    session(3, { state: "task" }, { call: "c1" }),
    record(4, {
      ...made,
      kind: "callback",
      status: "error",
      detail: { method: "elicitation/create", refused: "callgate/secret-answer" },
    }),
    record(5, { ...made, kind: "outcome", status: "ok", ms: 2 }),
    session(6, { state: "ended", opener: "harness" }, { args: undefined }),
  ];
  expect(renderTimeline(records, (seq) => ({ args: `{"task":"${seq}"}` }))).toBe(
    `session ses_1 · agent bot · 2026-03-01T12:00:01.000Z to 2026-03-01T12:00:06.000Z · 1 call, 0 run, 0 denied

   1  12:00:01.000 session {"task":"1"}
                   opened by harness  #1
   2  12:00:02.000 session {"task":"2"}
                   told its task by harness  #2
   3  12:00:03.000 files__write
                   told its task {"task":"3"}
                   -> the server asked for elicitation/create, and the answer was withheld by callgate/secret-answer
                   -> ok in 2 ms  #3-5
   4  12:00:06.000 session
                   ended by harness  #6`,
  );
});
