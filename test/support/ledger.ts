import type { LedgerRecord } from "@callgate/core";
import { type LedgerFilter, openReader, type Verification } from "@callgate/ledger";
import { until } from "./until.ts";

/** The records of a data folder, oldest first. */
export function recordsIn(data: string, filter: LedgerFilter = {}): readonly LedgerRecord[] {
  const reader = openReader(data);
  try {
    return reader.query({ order: "asc", limit: 10_000, ...filter });
  } finally {
    reader.close();
  }
}

/** The number of the newest record; 0 for none. */
export function newestIn(data: string): number {
  return recordsIn(data, { order: "desc", limit: 1 })[0]?.seq ?? 0;
}

export function verify(data: string): Verification {
  const reader = openReader(data);
  try {
    return reader.verify();
  } finally {
    reader.close();
  }
}

/** One call that ran: what was recorded before and after. */
export interface Governed {
  readonly intent: LedgerRecord;
  readonly outcome: LedgerRecord;
}

/** The calls begun after a record, once each has its outcome. */
export async function callsAfter(data: string, seq: number): Promise<readonly Governed[]> {
  return await until("an outcome for every intent", () => {
    const records = recordsIn(data, { after: seq });
    const calls = records
      .filter((r) => r.kind === "intent")
      .map((intent) => ({
        intent,
        outcome: records.find((r) => r.kind === "outcome" && r.call === intent.call && r.seq > intent.seq),
      }));
    return calls.every((c) => c.outcome !== undefined) && (calls as Governed[]);
  });
}

/** What became of questions that servers asked of the agent's client after a record, once there are so many. */
export async function callbacksAfter(data: string, seq: number, count: number): Promise<unknown[]> {
  const callbacks = await until(`${count} callbacks`, () => {
    const found = recordsIn(data, { after: seq, kind: ["callback"] });
    return found.length === count && found;
  });
  return callbacks.map((r) => [r.status, r.detail]);
}

/** The payloads of a record, as far as they can be read. */
export function payloadsOf(data: string, seq: number): { readonly [name: string]: string } {
  const reader = openReader(data);
  try {
    return reader.show(seq)?.payloads ?? {};
  } finally {
    reader.close();
  }
}
