import type { LedgerRecord } from "@callgate/core";
import { type LedgerReader, traceIdOf } from "@callgate/ledger";

/** Calls that are remembered; what was forgotten is looked up in the ledger. */
const KEPT = 10_000;
/** Calls inside calls are followed this far. */
const DEEPEST = 32;

/** Where calls began, and to which trace they belong. */
export class CallTraces {
  readonly #reader: LedgerReader;
  readonly #intents = new Map<string, LedgerRecord>();
  readonly #traces = new Map<string, string>();

  constructor(reader: LedgerReader) {
    this.#reader = reader;
  }

  /** Remembers an intent, so that it need not be looked up when its call ends. */
  remember(intent: LedgerRecord): void {
    if (intent.call === undefined) return;
    const oldest = this.#intents.keys().next();
    if (this.#intents.size >= KEPT && !oldest.done) this.#intents.delete(oldest.value);
    this.#intents.set(intent.call, intent);
  }

  /** The intent of a call that ended; undefined where there is none any more. */
  intentOf(outcome: LedgerRecord): LedgerRecord | undefined {
    const { call } = outcome;
    if (call === undefined) return undefined;
    const known = this.#intents.get(call);
    this.#intents.delete(call);
    return known ?? this.#reader.query({ call, kind: ["intent"], order: "asc", limit: 1 })[0];
  }

  /** The trace of a record: the agent's where it named one, else that of the outermost call. Undefined for a record of no call. */
  traceOf({ log, trace, call, parent }: LedgerRecord): string | undefined {
    if (trace !== undefined || call === undefined) return trace;
    if (parent === undefined) return traceIdOf(log, call);
    const known = this.#traces.get(parent);
    if (known !== undefined) return known;
    const found = this.#traceOfParent(log, parent);
    if (this.#traces.size >= KEPT) this.#traces.clear();
    this.#traces.set(parent, found);
    return found;
  }

  #traceOfParent(log: string, parent: string): string {
    let outer = parent;
    for (let depth = 0; depth < DEEPEST; depth++) {
      const record = this.#intents.get(outer) ?? this.#reader.query({ call: outer, order: "asc", limit: 1 })[0];
      if (record?.trace !== undefined) return record.trace;
      if (record?.parent === undefined) break;
      outer = record.parent;
    }
    return traceIdOf(log, outer);
  }
}
