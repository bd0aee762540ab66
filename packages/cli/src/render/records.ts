import type { LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import type { Cell } from "./csv.ts";
import { jsonLines, shortText } from "./json.ts";

/** Columns of fixed width, so that lines that come one by one stand below each other. The last one takes what is left. */
const COLUMNS: readonly {
  readonly head: string;
  readonly width: number;
  /** How narrow it may become where the terminal is. */
  readonly least: number;
  readonly cell: (r: LedgerRecord, width: number) => string;
}[] = [
  { head: "seq", width: 8, least: 8, cell: (r) => String(r.seq) },
  // Without the day where that does not fit.
  { head: "time", width: 24, least: 8, cell: (r, width) => (width < 24 ? r.ts.slice(11, 19) : r.ts) },
  { head: "kind", width: 8, least: 8, cell: (r) => r.kind },
  { head: "agent", width: 16, least: 8, cell: (r) => r.agent ?? "-" },
  { head: "tool", width: 32, least: 16, cell: toolName },
  { head: "verdict", width: 14, least: 8, cell: (r) => r.status ?? verdictOf(r) ?? "-" },
  { head: "what", width: 160, least: 16, cell: whatOf },
];
/** What a column gives up first, and down to which width of the last. */
const ROOM = 40;

/** The widths of the columns on a terminal of so many characters; undefined is no terminal. */
function widthsFor(terminal: number | undefined): readonly number[] {
  const widths = COLUMNS.map((c) => c.width);
  if (terminal === undefined) return widths;
  const last = widths.length - 1;
  const rest = (): number => terminal - widths.slice(0, last).reduce((sum, width) => sum + width + 1, 0);
  for (const head of ["tool", "time", "agent", "verdict"]) {
    const i = COLUMNS.findIndex((c) => c.head === head);
    const { width, least } = COLUMNS[i] as (typeof COLUMNS)[number];
    // A time is shown whole or without its day.
    if (rest() < ROOM) widths[i] = head === "time" ? least : Math.max(least, width - (ROOM - rest()));
  }
  widths[last] = Math.min(widths[last] as number, Math.max(rest(), COLUMNS[last]?.least ?? 0));
  return widths;
}

/** The heading of `recordLine`. */
export function recordHead(terminal?: number): string {
  const widths = widthsFor(terminal);
  return COLUMNS.map((c, i) => c.head.padEnd(widths[i] as number))
    .join(" ")
    .trimEnd();
}

/**
 * A record on one line, safe to print, fitted to a terminal of so many characters. A cell that is too long for its
 * column is cut.
 */
export function recordLine(record: LedgerRecord, terminal?: number): string {
  const widths = widthsFor(terminal);
  return COLUMNS.map((c, i) => {
    const width = widths[i] as number;
    return shortText(c.cell(record, width), width).padEnd(width);
  })
    .join(" ")
    .trimEnd();
}

/** The columns of a record in a CSV file. They stay; new ones come at the end. */
export const RECORD_CSV: readonly (readonly [head: string, cell: (r: LedgerRecord) => Cell])[] = [
  ["seq", (r) => r.seq],
  ["time", (r) => r.ts],
  ["kind", (r) => r.kind],
  ["agent", (r) => r.agent],
  ["user", (r) => r.user],
  ["session", (r) => r.session],
  ["call", (r) => r.call],
  ["parent", (r) => r.parent],
  ["trace", (r) => r.trace],
  ["boot", (r) => r.boot],
  ["tool", (r) => (r.tool ? toolName(r) : undefined)],
  ["verdict", (r) => r.decision?.verdict],
  ["status", (r) => r.status],
  ["rules", (r) => r.decision?.rules.join(" ")],
  ["approver", (r) => r.decision?.approver],
  ["error", (r) => r.error?.code],
  ["message", (r) => r.error?.message],
  ["ms", (r) => r.ms],
  ["args", (r) => r.args],
  ["result", (r) => r.result],
  ["detail", (r) => r.detail && JSON.stringify(r.detail)],
];

/** A record with its payloads, as a reader shows it. `shredded` names those whose key was destroyed. */
interface Shown {
  readonly record: LedgerRecord;
  readonly hash: string;
  readonly payloads: Readonly<Record<string, string>>;
  readonly shredded?: readonly string[];
}

/** The payloads for people: one that was shredded says so. */
export function payloadTexts(shown: Shown): Readonly<Record<string, string>> {
  return { ...shown.payloads, ...Object.fromEntries((shown.shredded ?? []).map((name) => [name, "(shredded)"])) };
}

/** A record in full, with its payloads, safe to print. */
export function recordLines(shown: Shown): string[] {
  const lines = jsonLines(JSON.stringify(shown.record));
  const payloads = Object.entries(payloadTexts(shown)).flatMap(([name, text]) => [
    "",
    `${printable(name)}:`,
    ...jsonLines(text),
  ]);
  return [`record ${shown.record.seq}`, `hash   ${shown.hash}`, "", ...lines, ...payloads];
}

/** The name that policies match, as the ledger's own column has it. */
export function toolName({ tool }: LedgerRecord): string {
  if (!tool) return "-";
  if (tool.server === "") return tool.name;
  return tool.name.includes("/") ? `${tool.server}/${tool.name}` : `${tool.server}__${tool.name}`;
}

/** An approval's record says `hold` whatever became of it; its state says more. */
function verdictOf(record: LedgerRecord): string | undefined {
  const state = record.kind === "approval" ? record.detail?.["state"] : undefined;
  return typeof state === "string" ? state : record.decision?.verdict;
}

function whatOf(record: LedgerRecord): string {
  const { error, decision, detail, ms } = record;
  if (error) return `${error.code}: ${error.message}`;
  if (decision)
    return [...decision.rules, ...(decision.approver === undefined ? [] : [`by ${decision.approver}`])].join(" ");
  if (ms !== undefined) return `${ms} ms`;
  return detail ? JSON.stringify(detail) : "";
}
