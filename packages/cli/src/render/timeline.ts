import type { LedgerRecord } from "@callgate/core";

export function renderTimeline(records: readonly LedgerRecord[], _payloadsOf: (seq: number) => Readonly<Record<string, string>>): string {
  return records.map((r) => `${r.seq} ${r.ts} ${r.kind}`).join("\n");
}
