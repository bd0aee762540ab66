import { hash } from "node:crypto";
import type { LedgerRecord } from "@callgate/core";
import type { Payloads } from "./jsonl.ts";
import { operationOf, recordKey, sentenceOf } from "./operation.ts";

/** Attributes as OpenTelemetry takes them. */
export type SpanAttributes = Readonly<Record<string, string | number | readonly string[]>>;

/** A call as a span, in no SDK's types. Times are Unix microseconds. */
export interface CallSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** What went wrong; absent where nothing did. */
  readonly error?: string;
  readonly attributes: SpanAttributes;
}

/** A record that is no call's end, as a log record. */
export interface RecordLog {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly eventName: string;
  /** Unix microseconds. */
  readonly time: number;
  readonly severity: { readonly number: number; readonly text: string };
  readonly body: string;
  readonly attributes: SpanAttributes;
}

/** The span id of a call: always the same, so that a call that is sent twice is the same span. */
export function spanIdOf(log: string, call: string): string {
  return hash("sha256", `callgate span\n${log}\n${call}`).slice(0, 16);
}

/** The trace id of a call that came without one. */
export function traceIdOf(log: string, call: string): string {
  return hash("sha256", `callgate trace\n${log}\n${call}`).slice(0, 32);
}

/**
 * The span of a call that ended. `intent` is where it began; without one (it was archived) the span begins as long before its end as the upstream took.
 * `traceId` is that of the leaf, or that of the outermost call of which this one is a part.
 */
export function callSpan(
  outcome: LedgerRecord,
  intent: LedgerRecord | undefined,
  traceId: string,
  payloads: Payloads = {},
): CallSpan {
  const { log, call = recordKey(outcome), parent, status, error, ms = 0 } = outcome;
  const operation = operationOf(outcome);
  const ended = Date.parse(outcome.ts) * 1000;
  const start = intent === undefined ? ended - ms * 1000 : Date.parse(intent.ts) * 1000;
  // Within a run the monotonic clock says how long it took, whatever the system's clock did meanwhile.
  const end = intent?.boot === outcome.boot ? start + (outcome.mono - intent.mono) : Math.max(start, ended);
  const failed = status !== "ok" && status !== "input_required";
  const rules = intent?.decision?.rules;
  return {
    traceId,
    spanId: spanIdOf(log, call),
    ...(parent !== undefined && { parentSpanId: spanIdOf(log, parent) }),
    name: operation?.tool === undefined ? (operation?.method ?? "call") : `execute_tool ${operation.tool}`,
    start,
    end,
    ...(failed && { error: error?.message ?? status ?? "unknown" }),
    attributes: given({
      ...callAttributes(outcome),
      "callgate.seq": outcome.seq,
      "callgate.seq.intent": intent?.seq,
      "callgate.status": status,
      "callgate.upstream.ms": outcome.ms,
      "callgate.rules": rules === undefined || rules.length === 0 ? undefined : rules,
      "error.type": failed ? (error?.code ?? status ?? "_OTHER") : undefined,
      "gen_ai.tool.call.arguments": payloads["args"],
      "gen_ai.tool.call.result": payloads["result"],
    }),
  };
}

/** The log record of anything but an intent and an outcome, which together are a span. `traceId` is undefined for what is about no call. */
export function recordLog(record: LedgerRecord, traceId: string | undefined, payloads: Payloads = {}): RecordLog {
  const { log, kind, call, decision, error, detail } = record;
  const state = detail?.["state"];
  return {
    ...(traceId !== undefined && call !== undefined && { traceId, spanId: spanIdOf(log, call) }),
    eventName: `callgate.${kind}`,
    time: Date.parse(record.ts) * 1000,
    severity: severityOf(record),
    body: sentenceOf(record),
    attributes: given({
      ...callAttributes(record),
      "log.record.uid": recordKey(record),
      "callgate.kind": kind,
      "callgate.seq": record.seq,
      "callgate.verdict": decision?.verdict,
      "callgate.rules": decision === undefined || decision.rules.length === 0 ? undefined : decision.rules,
      "callgate.approver": decision?.approver,
      "callgate.approval.state": typeof state === "string" ? state : undefined,
      "error.type": error?.code,
      "gen_ai.tool.call.arguments": payloads["args"],
    }),
  };
}

function callAttributes(record: LedgerRecord): Record<string, string | undefined> {
  const operation = operationOf(record);
  return {
    "gen_ai.operation.name": operation?.tool === undefined ? undefined : "execute_tool",
    "gen_ai.tool.name": operation?.tool,
    "gen_ai.tool.call.id": record.call,
    "gen_ai.agent.name": record.agent,
    "mcp.method.name": operation?.method,
    "user.name": record.user,
    "callgate.log": record.log,
    "callgate.server": operation?.server,
    "callgate.session": record.session,
  };
}

/** Numbers of OpenTelemetry's logs: 9 INFO, 13 WARN. */
function severityOf({ kind }: LedgerRecord): { readonly number: number; readonly text: string } {
  return kind === "denial" || kind === "clock" || kind === "recovery"
    ? { number: 13, text: "WARN" }
    : { number: 9, text: "INFO" };
}

function given(attributes: Record<string, string | number | readonly string[] | undefined>): SpanAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as SpanAttributes;
}
