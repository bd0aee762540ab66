import type { LedgerRecord, RecordKind } from "@callgate/core";
import { operationOf, recordKey } from "./operation.ts";

/**
 * A record as one CEF line (ArcSight Common Event Format, CEF:0), without its end. `version` is the product's. INVARIANT: whatever agents and servers wrote,
 * the line holds no control, format or line-breaking character, and no text of theirs can end its field.
 */
export function cefLine(record: LedgerRecord, version: string): string {
  const { kind, agent, user, session, call, decision, status, error, ms, args } = record;
  const operation = operationOf(record);
  const labelled = (key: string, label: string, value: string | undefined, longest = 4000): Field[] =>
    value === undefined
      ? []
      : [
          [key, value, longest],
          [`${key}Label`, label, 1023],
        ];
  const fields: readonly Field[] = [
    ["rt", String(Date.parse(record.ts)), 20],
    // The dictionary gives it 40 characters; a log's id and a seq of nine digits fit.
    ["externalId", recordKey(record), 60],
    ["cat", kind, 1023],
    ["act", decision?.verdict, 63],
    ["outcome", status, 63],
    ["sproc", agent, 1023],
    ["suser", user, 1023],
    ["destinationServiceName", operation?.server, 255],
    ["request", operation?.name, 1023],
    ["requestMethod", operation?.method, 1023],
    ["reason", error?.code, 1023],
    ["msg", error?.message, 1023],
    ...labelled("cs1", "rules", decision === undefined ? undefined : decision.rules.join(",")),
    ...labelled("cs2", "session", session),
    ...labelled("cs3", "call", call),
    ...labelled("cs4", "approver", decision?.approver),
    ...labelled("cs5", "arguments", args),
    ...labelled("cs6", "trace", record.trace),
    ...labelled("cn1", "milliseconds", ms === undefined ? undefined : String(ms)),
  ];
  const head = ["CEF:0", "Callgate", "Callgate", version, eventClass(record), NAMES[kind], String(severityOf(record))];
  const extension = fields
    .filter((field): field is readonly [string, string, number] => field[1] !== undefined && field[1] !== "")
    .map(([key, value, longest]) => `${key}=${extensionValue(value, longest)}`);
  return `${head.map(headerValue).join("|")}|${extension.join(" ")}`;
}

type Field = readonly [key: string, value: string | undefined, longest: number];

/** What CEF calls the name of an event. */
const NAMES: { readonly [kind in RecordKind]: string } = {
  boot: "Broker started",
  config: "Configuration changed",
  intent: "Call allowed",
  outcome: "Call ended",
  denial: "Call denied",
  approval: "Approval",
  callback: "Server asked the client",
  recovery: "Ledger recovered",
  clock: "Clock went back",
  seal: "Segment sealed",
  session: "Session declared",
};

/** The kind, and what tells two events of a kind apart for a rule of the receiver: `outcome:error`, `approval:asked`. */
function eventClass({ kind, status, detail }: LedgerRecord): string {
  const state = detail?.["state"];
  if (kind === "approval" && typeof state === "string") return `${kind}:${state}`;
  return status === undefined ? kind : `${kind}:${status}`;
}

/** 0 to 10, as CEF counts: 0 to 3 low, 4 to 6 medium, 7 and 8 high. */
function severityOf({ kind, status }: LedgerRecord): number {
  if (kind === "denial") return 6;
  if (kind === "clock" || kind === "recovery" || status === "unknown") return 5;
  if (kind === "approval" || kind === "config") return 4;
  if (status === "error" || status === "timeout" || status === "cancelled") return 3;
  return 1;
}

// Controls but line breaks, formats (bidirectional overrides, zero-width marks), separators of lines and paragraphs, lone surrogates.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const spelt = (c: string): string => `\\u{${(c.codePointAt(0) as number).toString(16)}}`;

function headerValue(text: string): string {
  return text.replace(UNSEEN, spelt).replaceAll("\\", "\\\\").replaceAll("|", "\\|");
}

/** In extensions `=` and the backslash are escaped, and line breaks are `\n` and `\r`; what cannot be seen is written out. */
function extensionValue(text: string, longest: number): string {
  const cut = text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
  return cut
    .replace(UNSEEN, (c) => (c === "\n" || c === "\r" ? c : spelt(c)))
    .replaceAll("\\", "\\\\")
    .replaceAll("=", "\\=")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r");
}
