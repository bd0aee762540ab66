import { CallgateError, type LedgerRecord, messageOf } from "@callgate/core";
import {
  type CallSpan,
  callSpan,
  type ExportTarget,
  type LedgerReader,
  type RecordLog,
  recordLog,
} from "@callgate/ledger";
import type { Attributes, HrTime } from "@opentelemetry/api";
import type { ReadableLogRecord } from "@opentelemetry/sdk-logs";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { CallTraces } from "./call-traces.ts";

/** With the SDK's own retries; milliseconds. */
const PATIENCE_MS = 30_000;

interface Exporter<T> {
  export(items: T[], done: (result: { readonly code: number; readonly error?: Error }) => void): void;
  shutdown(): Promise<void>;
}

/**
 * Opens an OpenTelemetry collector (OTLP over HTTP). A call is one span, sent when its outcome is recorded; other records are log records. The ids of spans come from
 * the ledger, so that what is sent again is the same span. `version` is the broker's. `put` rejects with `EXPORT_FAILED`.
 */
export async function openOtlpTarget(
  url: string,
  reader: LedgerReader,
  version: string,
  onWarning: (text: string) => void,
): Promise<ExportTarget> {
  // The SDK takes its time to load, and only this target needs it.
  const [{ diag, DiagLogLevel }, traces, logs, { resourceFromAttributes }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/exporter-logs-otlp-http"),
    import("@opentelemetry/resources"),
  ]);
  // A collector that rejects a part of what it got says so in a warning, and it MUST NOT be sent again.
  const warn = (...said: unknown[]): void => onWarning(said.map(String).join(" "));
  const silent = (): void => undefined;
  diag.setLogger({ verbose: silent, debug: silent, info: silent, warn, error: warn }, DiagLogLevel.WARN);
  const common = {
    resource: resourceFromAttributes({ "service.name": "callgate", "service.version": version }),
    instrumentationScope: { name: "callgate", version },
    droppedAttributesCount: 0,
  };
  const spanExporter = new traces.OTLPTraceExporter({ url: `${url}/v1/traces`, timeoutMillis: PATIENCE_MS });
  const logExporter = new logs.OTLPLogExporter({ url: `${url}/v1/logs`, timeoutMillis: PATIENCE_MS });
  const calls = new CallTraces(reader);

  const spanOf = (outcome: LedgerRecord, result: { readonly [name: string]: string } | undefined): ReadableSpan => {
    const intent = calls.intentOf(outcome);
    const trace = calls.traceOf(outcome) ?? "";
    const args = result && intent ? (reader.show(intent.seq)?.payloads ?? {}) : {};
    return { ...common, ...readableSpan(callSpan(outcome, intent, trace, { ...args, ...result })) };
  };

  return {
    bytes: undefined,
    async put(records) {
      const spans: ReadableSpan[] = [];
      const logRecords: ReadableLogRecord[] = [];
      for (const { record } of records) if (record.kind === "intent") calls.remember(record);
      for (const { record, payloads } of records) {
        if (record.kind === "intent") continue;
        if (record.kind === "outcome" && record.call !== undefined) spans.push(spanOf(record, payloads));
        else logRecords.push({ ...common, ...readableLog(recordLog(record, calls.traceOf(record), payloads)) });
      }
      try {
        if (spans.length > 0) await sent(spanExporter, spans);
        if (logRecords.length > 0) await sent(logExporter, logRecords);
      } catch (error) {
        throw new CallgateError(
          "EXPORT_FAILED",
          `the collector at \`${url}\` does not take records: ${messageOf(error)}`,
          {
            help: "see that it listens for OTLP over HTTP, then run the same command again: it goes on where it stopped",
            cause: error,
          },
        );
      }
    },
    async close() {
      await Promise.all([spanExporter.shutdown(), logExporter.shutdown()]);
    },
  };
}

function sent<T>(exporter: Exporter<T>, items: T[]): Promise<void> {
  return new Promise((resolve, reject) =>
    exporter.export(items, ({ code, error }) => {
      if (code === 0) resolve();
      else reject(error ?? new Error("it gave no reason"));
    }),
  );
}

function readableSpan(
  span: CallSpan,
): Omit<ReadableSpan, "resource" | "instrumentationScope" | "droppedAttributesCount"> {
  const context = (spanId: string) => ({ traceId: span.traceId, spanId, traceFlags: SAMPLED });
  return {
    name: span.name,
    kind: INTERNAL,
    spanContext: () => context(span.spanId),
    ...(span.parentSpanId !== undefined && { parentSpanContext: context(span.parentSpanId) }),
    startTime: hrTime(span.start),
    endTime: hrTime(span.end),
    duration: hrTime(span.end - span.start),
    status: span.error === undefined ? { code: UNSET } : { code: ERROR, message: span.error },
    attributes: span.attributes as Attributes,
    links: [],
    events: [],
    ended: true,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function readableLog(
  log: RecordLog,
): Omit<ReadableLogRecord, "resource" | "instrumentationScope" | "droppedAttributesCount"> {
  return {
    hrTime: hrTime(log.time),
    hrTimeObserved: hrTime(log.time),
    eventName: log.eventName,
    severityNumber: log.severity.number,
    severityText: log.severity.text,
    body: log.body,
    attributes: log.attributes as Attributes,
    ...(log.traceId !== undefined &&
      log.spanId !== undefined && {
        spanContext: { traceId: log.traceId, spanId: log.spanId, traceFlags: SAMPLED },
      }),
  };
}

// Values of the API's enums, which would have to be loaded to be named.
const INTERNAL = 0;
const UNSET = 0;
const ERROR = 2;
const SAMPLED = 1;

function hrTime(micros: number): HrTime {
  return [Math.floor(micros / 1e6), (micros % 1e6) * 1000];
}
