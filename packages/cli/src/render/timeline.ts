import type { LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { shortText } from "./json.ts";
import { toolName } from "./records.ts";
import { errorText } from "./said.ts";

const LINE = 110;

/**
 * The story of a session: its calls in the order of their first records (`records` MUST be oldest first), each with what was
 * decided, by which rules, and how it ended. `payloadsOf` gives a record's payloads, for the arguments and for what a server
 * said of a failure. Safe to print.
 */
export function renderTimeline(
  records: readonly LedgerRecord[],
  payloadsOf: (seq: number) => Readonly<Record<string, string>>,
): string {
  const calls = new Map<string, LedgerRecord[]>();
  for (const record of records) {
    const key = record.call ?? `record ${record.seq}`;
    const call = calls.get(key);
    if (call) call.push(record);
    else calls.set(key, [record]);
  }
  const numbers = new Map([...calls.keys()].map((key, i) => [key, i + 1]));
  const stories = [...calls.values()].map((call, i) => story(call, i + 1, numbers, payloadsOf));
  // What belongs to no call, such as the opening of a declared session, is told but not counted.
  const made = [...calls.values()].filter(([first]) => first?.call !== undefined).length;
  return [head(records, made), "", ...stories].join("\n");
}

function head(records: readonly LedgerRecord[], calls: number): string {
  const [first] = records;
  const last = records.at(-1);
  if (!first || !last) return "no records";
  const count = (kind: LedgerRecord["kind"]): number => records.filter((r) => r.kind === kind).length;
  const who = [
    first.session === undefined ? "" : `session ${first.session}`,
    first.agent === undefined ? "" : `agent ${first.agent}`,
    first.user === undefined ? "" : `for ${first.user}`,
  ];
  const numbers = [`${calls} ${calls === 1 ? "call" : "calls"}`, `${count("intent")} run`, `${count("denial")} denied`];
  return printable([...who.filter((w) => w !== ""), `${first.ts} to ${last.ts}`, numbers.join(", ")].join(" · "));
}

function story(
  call: readonly LedgerRecord[],
  number: number,
  numbers: ReadonlyMap<string, number>,
  payloadsOf: (seq: number) => Readonly<Record<string, string>>,
): string {
  const [first] = call as readonly [LedgerRecord, ...LedgerRecord[]];
  const argsOf = (record: LedgerRecord | undefined): string | undefined =>
    record?.args === undefined ? undefined : payloadsOf(record.seq)["args"];
  const failureOf = (record: LedgerRecord): string | undefined =>
    record.kind === "outcome" && record.error
      ? errorText(record, record.result === undefined ? undefined : payloadsOf(record.seq)["result"])
      : undefined;
  const named = call.find((r) => r.tool !== undefined);
  const args = argsOf(call.find((r) => r.kind === "intent" || r.kind === "denial") ?? (named ? undefined : first));
  const parent = first.parent === undefined ? undefined : numbers.get(first.parent);
  const title = [
    named ? toolName(named) : first.kind,
    args ?? "",
    parent === undefined ? "" : `(goes on from ${parent})`,
  ]
    .filter((t) => t !== "")
    .join(" ");
  const pad = " ".repeat(19);
  const seqs = call.length === 1 ? `#${first.seq}` : `#${first.seq}-${(call.at(-1) as LedgerRecord).seq}`;
  // A task that came with a call stands among its steps: the title has the call's own arguments.
  const steps = call
    .map((r) => printable(stepOf(r, named && r.kind === "session" ? argsOf(r) : failureOf(r))))
    .filter((s) => s !== "");
  return [
    `${String(number).padStart(4)}  ${printable(first.ts.slice(11, 23))} ${shortText(title, LINE)}`,
    ...wrap([...steps, seqs], LINE).map((line) => `${pad}${line}`),
  ].join("\n");
}

/** Steps on lines of their own width, joined by arrows; the record numbers come last. */
function wrap(steps: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const [i, step] of steps.entries()) {
    const last = lines.at(-1);
    const joint = i === steps.length - 1 ? "  " : " -> ";
    if (last !== undefined && last.length + joint.length + step.length <= width)
      lines[lines.length - 1] = last + joint + step;
    else lines.push(lines.length === 0 ? step : `${i === steps.length - 1 ? "" : "-> "}${step}`);
  }
  return lines;
}

/** What a record adds to the story of its call. `said` is what a session was told, or why a call failed. */
function stepOf(record: LedgerRecord, said: string | undefined): string {
  const { kind, decision, error, status, ms, detail } = record;
  const rules = decision && decision.rules.length > 0 ? ` by ${decision.rules.join(", ")}` : "";
  switch (kind) {
    case "intent":
      // The rule that asked is named where it asked.
      return decision?.approver === undefined ? `allowed${rules}` : "allowed";
    case "denial":
      return `DENIED${rules}: ${error?.message ?? "no reason recorded"}`;
    case "approval":
      return approvalStep(String(detail?.["state"]), rules, decision?.approver);
    case "callback":
      return `the server asked for ${String(detail?.["method"])}${answerStep(status, detail?.["refused"])}`;
    case "session":
      return sessionStep(String(detail?.["state"]), detail?.["opener"], said);
    case "outcome": {
      const time = ms === undefined ? "" : ` in ${ms} ms`;
      return status === "ok"
        ? `ok${time}`
        : `${status ?? "ended"}${time}${error ? `: ${error.code}: ${said ?? error.message}` : ""}`;
    }
    default:
      return kind;
  }
}

function answerStep(status: LedgerRecord["status"], refused: unknown): string {
  if (status === "ok") return "";
  return typeof refused === "string" ? `, and the answer was withheld by ${refused}` : " and got no answer";
}

function sessionStep(state: string, opener: unknown, said: string | undefined): string {
  const what = state === "task" ? "told its task" : state;
  const by = typeof opener === "string" ? ` by ${opener}` : "";
  return `${what}${by}${said === undefined ? "" : ` ${said.slice(0, LINE)}`}`;
}

function approvalStep(state: string, rules: string, by: string | undefined): string {
  switch (state) {
    case "asked":
      return `held${rules}`;
    case "unanswered":
      return "nobody answered";
    default:
      return `${state === "denied" ? "REFUSED" : state}${by === undefined ? "" : ` by ${by}`}`;
  }
}
