import type { LedgerRecord, RecordDraft } from "@callgate/core";

/** The indexed columns beside a leaf. Each is a function of the leaf alone, which is how verification checks them. */
export interface Columns {
  readonly kind: string;
  /** Unix milliseconds. */
  readonly ts: number;
  readonly agent: string | null;
  readonly session: string | null;
  readonly call: string | null;
  readonly tool: string | null;
  readonly verdict: string | null;
  readonly status: string | null;
}

/** The columns that stand beside this record's leaf. */
export function columnsOf(record: LedgerRecord): Columns {
  return {
    kind: record.kind,
    ts: Date.parse(record.ts),
    agent: record.agent ?? null,
    session: record.session ?? null,
    call: record.call ?? null,
    tool: record.tool === undefined ? null : toolColumn(record.tool),
    verdict: record.decision?.verdict ?? null,
    status: record.status ?? null,
  };
}

/**
 * The name that policies match: `server__tool`, or `server/method` for what is not a tool. What no server has (a denial of an
 * unknown name) stands as it was asked for.
 */
export function toolColumn(tool: NonNullable<RecordDraft["tool"]>): string {
  if (tool.server === "") return tool.name;
  return tool.name.includes("/") ? `${tool.server}/${tool.name}` : `${tool.server}__${tool.name}`;
}
