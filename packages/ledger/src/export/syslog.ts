import type { LedgerRecord } from "@callgate/core";

/** Facility 13, "log audit" (RFC 5424, section 6.2.1). */
const AUDIT = 13;
/** `sequenceId` counts up to here and begins again at 1 (RFC 5424, section 7.3.1). */
const LAST_SEQUENCE = 2_147_483_647;

/**
 * One syslog message (RFC 5424) about a record. MSGID is the record's kind, PROCID its broker's run, and `sequenceId` its seq, so that a receiver knows a
 * message that comes twice. `host` is that of the sender; `message` MUST be free of control characters.
 */
export function syslogMessage(record: LedgerRecord, message: string, host: string): string {
  const head = [
    `<${AUDIT * 8 + severityOf(record)}>1`,
    record.ts,
    name(host, 255),
    "callgate",
    name(record.boot, 128),
    name(record.kind, 32),
    `[meta sequenceId="${((record.seq - 1) % LAST_SEQUENCE) + 1}"]`,
  ];
  return `${head.join(" ")} ${message}`;
}

/** A message as it goes over a stream: its length in bytes, a space, the message (RFC 6587, section 3.4.1). */
export function syslogFrame(message: string): string {
  return `${Buffer.byteLength(message)} ${message}`;
}

/** 4 warning, 5 notice, 6 informational. */
function severityOf({ kind, status }: LedgerRecord): number {
  if (kind === "denial" || kind === "clock" || kind === "recovery" || status === "unknown") return 4;
  if (kind === "approval" || kind === "config" || (status !== undefined && status !== "ok")) return 5;
  return 6;
}

/** A field of the header: printable ASCII without spaces, `-` for nothing. */
function name(text: string, longest: number): string {
  const clean = text.replaceAll(/[^\x21-\x7e]/g, "").slice(0, longest);
  return clean === "" ? "-" : clean;
}
