import type { LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { jsonLines, shortText } from "./json.ts";

/** Columns of fixed width, so that lines that come one by one stand below each other. The last one takes what is left. */
const COLUMNS: readonly {
  readonly head: string;
  readonly width: number;
  readonly cell: (r: LedgerRecord) => string;
}[] = [
  { head: "seq", width: 8, cell: (r) => String(r.seq) },
  { head: "time", width: 24, cell: (r) => r.ts },
  { head: "kind", width: 8, cell: (r) => r.kind },
  { head: "agent", width: 16, cell: (r) => r.agent ?? "-" },
  { head: "tool", width: 32, cell: toolName },
  { head: "verdict", width: 14, cell: (r) => r.status ?? verdictOf(r) ?? "-" },
  { head: "what", width: 160, cell: whatOf },
];

/** The heading of `recordLine`. */
export const RECORD_HEAD = COLUMNS.map((c) => c.head.padEnd(c.width))
  .join(" ")
  .trimEnd();

/** A record on one line, safe to print. A cell that is too long for its column is cut. */
export function recordLine(record: LedgerRecord): string {
  return COLUMNS.map((c) => shortText(c.cell(record), c.width).padEnd(c.width))
    .join(" ")
    .trimEnd();
}

/** A record in full, with its payloads, safe to print. */
export function recordLines(shown: {
  readonly record: LedgerRecord;
  readonly hash: string;
  readonly payloads: Readonly<Record<string, string>>;
}): string[] {
  const lines = jsonLines(JSON.stringify(shown.record));
  const payloads = Object.entries(shown.payloads).flatMap(([name, text]) => [
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
