import type { CallFacts, LedgerRecord, ToolFacts } from "@callgate/core";
import { recordedCall } from "../tools/recorded.ts";
import { Counts } from "../tools/tally.ts";

/** How many calls may wait for their outcome before the oldest is given up. */
const MAX_WAITING = 10_000;

/** A record with what is kept beside it. */
export interface KeptRecord {
  readonly record: LedgerRecord;
  readonly payloads: { readonly [name: string]: string | undefined };
}

/** A call that was made and ended well. */
export interface MadeCall {
  readonly seq: number;
  readonly ts: string;
  readonly call: CallFacts;
  /** A person let it through. */
  readonly approved: boolean;
}

/** What was met on the way and is not learned from. */
export class PassedOver {
  readonly #reasons = new Counts();
  readonly #called = new Set<string>();

  count(reason: string): void {
    this.#reasons.add(reason);
  }

  noteCalled({ agent, tool }: LedgerRecord): void {
    if (agent !== undefined && tool) this.#called.add([agent, tool.server, tool.name].join("\0"));
  }

  /** Whether an agent called a tool, whatever came of it. */
  wasCalled(agent: string, { server, name }: ToolFacts): boolean {
    return this.#called.has([agent, server, name].join("\0"));
  }

  entries(): readonly { readonly reason: string; readonly calls: number }[] {
    return this.#reasons.entries().map(([reason, calls]) => ({ reason, calls }));
  }
}

/**
 * The calls that were made and whose outcome is `ok`, from records in their order, intents and outcomes among them. A denial was not made; a
 * call that failed, was cancelled or has no outcome may have been a mistake: neither says what an agent needs.
 */
export function* madeCalls(
  records: Iterable<KeptRecord>,
  tools: ReadonlyMap<string, ToolFacts>,
  passedOver: PassedOver,
): Generator<MadeCall, void> {
  const waiting = new Map<string, MadeCall>();
  for (const { record, payloads } of records) {
    if (record.call === undefined) continue;
    if (record.kind === "intent") {
      passedOver.noteCalled(record);
      const made = read(record, payloads, tools);
      if (typeof made === "string") passedOver.count(made);
      else waiting.set(record.call, made);
      if (waiting.size > MAX_WAITING) {
        passedOver.count("no outcome was met");
        waiting.delete(waiting.keys().next().value as string);
      }
    } else if (record.kind === "outcome") {
      const made = waiting.get(record.call);
      waiting.delete(record.call);
      if (!made) continue;
      if (record.status === "ok") yield made;
      else passedOver.count(`the outcome was \`${record.status ?? "unknown"}\``);
    }
  }
  for (const _ of waiting) passedOver.count("no outcome was met");
}

function read(
  record: LedgerRecord,
  payloads: KeptRecord["payloads"],
  tools: ReadonlyMap<string, ToolFacts>,
): MadeCall | string {
  const kept = Object.fromEntries(Object.entries(payloads).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
  const recorded = recordedCall(record, kept, tools);
  if ("unreplayable" in recorded) return recorded.unreplayable;
  const { call } = recorded;
  if (!tools.has(call.tool.qualified)) return "the tool is in no manifest any more";
  return { seq: record.seq, ts: record.ts, call, approved: record.decision?.approver !== undefined };
}
