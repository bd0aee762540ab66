import { hash } from "node:crypto";
import { canonicalJson, digestOf, type LedgerRecord } from "@callgate/core";
import { describe, expect, it } from "vitest";
import {
  callSpan,
  cefLine,
  jsonLine,
  ocsfEvent,
  recordLog,
  syslogFrame,
  syslogMessage,
  traceIdOf,
} from "../src/index.ts";

const TOOL = { server: "mail", name: "send", digest: digestOf("definition") } as const;
const COMMON = {
  v: 2,
  log: "log_1",
  prev: digestOf("before"),
  boot: "boot_1",
  agent: "bot",
  user: "ann",
  session: "ses_1",
  call: "call_1",
  tool: TOOL,
} as const;

const INTENT = {
  ...COMMON,
  seq: 12,
  kind: "intent",
  ts: "2026-03-01T12:00:00.250Z",
  mono: 5_000_100,
  trace: "4bf92f3577b34da6a3ce929d0e0e4736",
  args: digestOf("sealed args"),
  decision: { verdict: "allow", rules: ["may-mail", "known"], policies: "sha256:p" },
} as LedgerRecord;

const OUTCOME = {
  ...COMMON,
  seq: 13,
  kind: "outcome",
  ts: "2026-03-01T11:59:00.000Z",
  mono: 5_120_300,
  trace: INTENT.trace,
  status: "error",
  error: { code: "upstream/refused", message: "no such mailbox" },
  ms: 118,
} as LedgerRecord;

const DENIAL = {
  ...COMMON,
  seq: 14,
  kind: "denial",
  call: "call_2",
  ts: "2026-03-01T12:00:01.000Z",
  mono: 6_000_000,
  decision: { verdict: "deny", rules: ["no-strangers"], policies: "sha256:p" },
  error: { code: "no-strangers", message: "the recipient is not known" },
} as LedgerRecord;

const BOOT = {
  v: 2,
  log: "log_1",
  seq: 1,
  prev: digestOf(""),
  boot: "boot_1",
  kind: "boot",
  ts: "2026-03-01T11:00:00.000Z",
  mono: 1,
  detail: { version: "0.1.0" },
} as LedgerRecord;

/** What an agent or a server might write to act on a terminal, to forge a line or a field, or to break out of its place. */
const HOSTILE = 'a|b\\c=d\r\nCEF:0|X|X|1|1|forged|10|act=allow\u001b[2J\u0000\u202e\u2028\ud800 "]';

const hostile = {
  ...DENIAL,
  agent: HOSTILE,
  user: HOSTILE,
  session: HOSTILE,
  call: HOSTILE,
  tool: { server: "", name: HOSTILE, digest: TOOL.digest },
  boot: HOSTILE,
  error: { code: HOSTILE, message: HOSTILE },
  decision: { verdict: "deny", rules: [HOSTILE], policies: HOSTILE },
} as LedgerRecord;

/** The fields of a CEF extension, unescaped, as a receiver reads them. */
function fieldsOf(line: string): Record<string, string> {
  const extension = line
    .split(/(?<!\\)\|/)
    .slice(7)
    .join("|");
  const found = [...extension.matchAll(/(\w+)=((?:\\.|[^\\=])*?)(?= \w+=|$)/gs)];
  const unescaped = (text: string): string => text.replace(/\\(.)/gs, (_, c: string) => ({ n: "\n", r: "\r" })[c] ?? c);
  return Object.fromEntries(found.map(([, key = "", value = ""]) => [key, unescaped(value)]));
}

describe("JSON lines", () => {
  it("are the leaf byte for byte, so that its hash can be taken from the line", () => {
    const record = { ...BOOT, detail: { 10: "b", 9: "a", é: "\u2028" } } as LedgerRecord;
    expect(jsonLine(record)).toBe(canonicalJson(record));
    expect(jsonLine(record)).toContain('{"10":"b","9":"a","é"');
  });

  it("carry payloads as one more member", () => {
    expect(jsonLine(BOOT, {})).toBe(canonicalJson(BOOT));
    const line = jsonLine(BOOT, { args: 'a"\n' });
    expect(line).toBe(`${canonicalJson(BOOT).slice(0, -1)},"payloads":{"args":"a\\"\\n"}}`);
    expect(jsonLine({ ...BOOT, agent: HOSTILE.toWellFormed() }).split("\n")).toHaveLength(1);
  });
});

describe("CEF", () => {
  it("is these lines", () => {
    expect(cefLine(DENIAL, "0.1.0")).toBe(
      "CEF:0|Callgate|Callgate|0.1.0|denial|Call denied|6|rt=1772366401000 externalId=log_1/14 cat=denial act=deny " +
        "sproc=bot suser=ann destinationServiceName=mail request=mail__send requestMethod=tools/call " +
        "reason=no-strangers msg=the recipient is not known cs1=no-strangers cs1Label=rules cs2=ses_1 cs2Label=session " +
        "cs3=call_2 cs3Label=call",
    );
    expect(cefLine(OUTCOME, "0.1.0")).toBe(
      "CEF:0|Callgate|Callgate|0.1.0|outcome:error|Call ended|3|rt=1772366340000 externalId=log_1/13 cat=outcome " +
        "outcome=error sproc=bot suser=ann destinationServiceName=mail request=mail__send requestMethod=tools/call " +
        "reason=upstream/refused msg=no such mailbox cs2=ses_1 cs2Label=session cs3=call_1 cs3Label=call " +
        "cs6=4bf92f3577b34da6a3ce929d0e0e4736 cs6Label=trace cn1=118 cn1Label=milliseconds",
    );
    expect(cefLine(BOOT, "0.1.0|2\\")).toBe(
      "CEF:0|Callgate|Callgate|0.1.0\\|2\\\\|boot|Broker started|1|rt=1772362800000 externalId=log_1/1 cat=boot",
    );
  });

  it("lets no text end its field, its line, or act on a terminal", () => {
    const line = cefLine(hostile, "0.1.0");
    expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
    expect(line.split(/(?<!\\)\|/).slice(0, 7)).toEqual([
      "CEF:0",
      "Callgate",
      "Callgate",
      "0.1.0",
      "denial",
      "Call denied",
      "6",
    ]);
    const fields = fieldsOf(line);
    const read = 'a|b\\c=d\r\nCEF:0|X|X|1|1|forged|10|act=allow\\u{1b}[2J\\u{0}\\u{202e}\\u{2028}\\u{d800} "]';
    expect(fields).toMatchObject({
      act: "deny",
      sproc: read,
      suser: read,
      request: read,
      reason: read,
      msg: read,
      cs1: read,
    });
  });

  it("cuts what is longer than the dictionary allows", () => {
    const long = cefLine({ ...DENIAL, error: { code: "c", message: "m".repeat(5000) } }, "0.1.0");
    expect(fieldsOf(long)["msg"]).toBe(`${"m".repeat(1022)}…`);
  });
});

describe("syslog", () => {
  it("is this message", () => {
    expect(syslogMessage(DENIAL, "CEF:0|...", "gate.example.com")).toBe(
      '<108>1 2026-03-01T12:00:01.000Z gate.example.com callgate boot_1 denial [meta sequenceId="14"] CEF:0|...',
    );
    expect(syslogMessage(OUTCOME, "m", "h")).toMatch(/^<109>1 /);
    expect(syslogMessage(INTENT, "m", "h")).toMatch(/^<110>1 /);
  });

  it("keeps its header whole whatever a name holds, and its sequence within what a receiver can count", () => {
    const message = syslogMessage({ ...hostile, seq: 2_147_483_648 }, "m", "a host\nname");
    expect(message).toMatch(/^<108>1 \S+ ahostname callgate \S{1,128} denial \[meta sequenceId="1"\] m$/);
    expect(syslogMessage(DENIAL, "m", "")).toContain(" - callgate ");
  });

  it("is framed by its length in bytes", () => {
    expect(syslogFrame("für")).toBe("4 für");
  });
});

describe("OCSF", () => {
  it("is a whole API Activity event", () => {
    expect(ocsfEvent(DENIAL, "0.1.0")).toEqual({
      class_uid: 6003,
      class_name: "API Activity",
      category_uid: 6,
      category_name: "Application Activity",
      activity_id: 99,
      activity_name: "tools/call",
      type_uid: 600399,
      type_name: "API Activity: Other",
      time: 1772366401000,
      severity_id: 3,
      severity: "Medium",
      status_id: 2,
      status: "Failure",
      status_code: "no-strangers",
      status_detail: "the recipient is not known",
      action_id: 2,
      action: "Denied",
      disposition_id: 2,
      disposition: "Blocked",
      is_alert: true,
      message: "mail__send was denied: the recipient is not known",
      actor: { app_name: "bot", user: { name: "ann" }, session: { uid: "ses_1" } },
      api: {
        operation: "mail__send",
        service: { name: "mail" },
        request: { uid: "call_2" },
        response: { error: "no-strangers", error_message: "the recipient is not known" },
      },
      src_endpoint: { name: "bot" },
      policy: { name: "no-strangers", uid: "sha256:p", desc: "no-strangers" },
      metadata: {
        version: "1.6.0",
        product: { name: "Callgate", vendor_name: "Callgate", version: "0.1.0" },
        profiles: ["security_control"],
        uid: "log_1/14",
        log_name: "log_1",
        sequence: 14,
        event_code: "denial",
        original_time: "2026-03-01T12:00:01.000Z",
        correlation_uid: "call_2",
      },
      unmapped: { leaf: DENIAL },
    });
  });

  it.each<[string, LedgerRecord, object]>([
    ["an intent", INTENT, { action_id: 1, disposition_id: 1, status_id: 0, severity_id: 1 }],
    ["a failed call", OUTCOME, { action_id: 1, disposition_id: 1, status_id: 2, severity_id: 2, duration: 118 }],
    ["a good call", { ...OUTCOME, status: "ok" }, { status_id: 1, severity_id: 1 }],
    ["an open question", { ...OUTCOME, status: "input_required" }, { status_id: 99, status: "input_required" }],
    ["a call nobody knows the end of", { ...OUTCOME, status: "unknown" }, { status_id: 0, severity_id: 3 }],
    [
      "a held call",
      { ...DENIAL, kind: "approval", detail: { state: "asked" } },
      { action_id: 3, disposition_id: 14, disposition: "Delayed" },
    ],
    [
      "an approval",
      { ...DENIAL, kind: "approval", detail: { state: "approved" } },
      { action_id: 1, disposition_id: 8, disposition: "Approved" },
    ],
    [
      "a refusal",
      { ...DENIAL, kind: "approval", detail: { state: "denied" } },
      { action_id: 2, disposition_id: 25, disposition: "Rejected" },
    ],
    ["a start", BOOT, { action_id: 3, disposition_id: 17, status_id: 1, actor: { app_name: "callgate" } }],
    [
      "a resource that is read",
      { ...INTENT, tool: { ...TOOL, name: "resources/read" } },
      { activity_id: 2, activity_name: "Read", type_uid: 600302, type_name: "API Activity: Read" },
    ],
  ])("says what became of %s", (_, record, expected) => {
    expect(ocsfEvent(record, "0.1.0")).toMatchObject(expected);
  });

  it("has the trace's profile where there is a trace, and payloads where they were asked for", () => {
    expect(ocsfEvent(INTENT, "0.1.0", { args: "{}" })).toMatchObject({
      trace: { uid: INTENT.trace },
      metadata: { profiles: ["security_control", "trace"] },
      unmapped: { payloads: { args: "{}" } },
    });
    expect(ocsfEvent(INTENT, "0.1.0", {})["unmapped"]).toEqual({ leaf: INTENT });
  });
});

describe("OpenTelemetry", () => {
  const trace = INTENT.trace as string;

  it("makes one span of a call, which takes as long as the monotonic clock says", () => {
    expect(callSpan(OUTCOME, INTENT, trace)).toEqual({
      traceId: trace,
      spanId: hash("sha256", "callgate span\nlog_1\ncall_1").slice(0, 16),
      name: "execute_tool send",
      start: 1772366400250000,
      end: 1772366400250000 + 120_200,
      error: "no such mailbox",
      attributes: {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "send",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.agent.name": "bot",
        "mcp.method.name": "tools/call",
        "user.name": "ann",
        "callgate.log": "log_1",
        "callgate.server": "mail",
        "callgate.session": "ses_1",
        "callgate.seq": 13,
        "callgate.seq.intent": 12,
        "callgate.status": "error",
        "callgate.upstream.ms": 118,
        "callgate.rules": ["may-mail", "known"],
        "error.type": "upstream/refused",
      },
    });
  });

  it("never ends a span before it begins, and does without an intent", () => {
    const other = { ...OUTCOME, boot: "boot_2", status: "unknown" } as LedgerRecord;
    const restarted = callSpan(other, INTENT, trace);
    expect(restarted.end).toBe(restarted.start);
    const alone = callSpan({ ...OUTCOME, status: "ok" }, undefined, trace);
    expect(alone.end - alone.start).toBe(118_000);
    expect(alone.error).toBeUndefined();
  });

  it("names what is no tool by its method, and hangs a call inside another one under it", () => {
    const tool = { ...TOOL, name: "resources/read" };
    const span = callSpan({ ...OUTCOME, tool, parent: "call_0" }, undefined, trace, { args: "{}", result: "[]" });
    expect(span.name).toBe("resources/read");
    expect(span.parentSpanId).toBe(hash("sha256", "callgate span\nlog_1\ncall_0").slice(0, 16));
    expect(span.attributes["gen_ai.operation.name"]).toBeUndefined();
    expect(span.attributes["gen_ai.tool.call.result"]).toBe("[]");
  });

  it("makes a log record of everything else", () => {
    const traceId = traceIdOf("log_1", "call_2");
    expect(recordLog(DENIAL, traceId)).toMatchObject({
      traceId,
      eventName: "callgate.denial",
      severity: { number: 13, text: "WARN" },
      body: "mail__send was denied: the recipient is not known",
      attributes: { "log.record.uid": "log_1/14", "callgate.verdict": "deny", "error.type": "no-strangers" },
    });
    expect(recordLog(BOOT, undefined)).toEqual({
      eventName: "callgate.boot",
      time: 1772362800000000,
      severity: { number: 9, text: "INFO" },
      body: "the broker started",
      attributes: { "callgate.log": "log_1", "callgate.kind": "boot", "callgate.seq": 1, "log.record.uid": "log_1/1" },
    });
  });
});
