import type { RecordDraft } from "@callgate/core";
import { toolColumn } from "./columns.ts";
import type { LeafPieces } from "./leaf.ts";

/** Most records that one commit takes. */
export const BATCH_RECORDS = 256;
/** A commit takes no further record once it holds this many UTF-16 code units of text. */
const BATCH_TEXT = 8 * 1024 * 1024;
/** Strings per record in `BatchMessage.text`. */
export const TEXT_WIDTH = 9;

/**
 * One commit, as it goes to the writer. Flat arrays of strings and numbers: a structured clone of one object a record costs
 * several times as much.
 */
export interface BatchMessage {
  /** The first record's seq; the others follow without gaps. */
  readonly first: number;
  /** Unix milliseconds, one a record. */
  readonly times: number[];
  /** For each record: head, tail, kind, agent, session, call, tool, verdict, status. */
  readonly text: (string | null)[];
  /** For each payload: seq. */
  readonly payloadSeqs: number[];
  /** For each payload: name, text. */
  readonly payloads: string[];
}

/** Records that are committed together, and those who wait for it. */
export class Batch {
  readonly message: BatchMessage;
  readonly #waiting: { readonly seq: number; resolve(seq: number): void; reject(error: Error): void }[] = [];
  #size = 0;

  constructor(first: number) {
    this.message = { first, times: [], text: [], payloadSeqs: [], payloads: [] };
  }

  get full(): boolean {
    return this.message.times.length >= BATCH_RECORDS || this.#size >= BATCH_TEXT;
  }

  /** The seq of the newest record in it. */
  get last(): number {
    return this.message.first + this.message.times.length - 1;
  }

  add(draft: RecordDraft, leaf: LeafPieces, time: number, payloads: boolean): void {
    const m = this.message;
    m.times.push(time);
    m.text.push(
      leaf.head,
      leaf.tail,
      draft.kind,
      draft.agent ?? null,
      draft.session ?? null,
      draft.call ?? null,
      draft.tool === undefined ? null : toolColumn(draft.tool),
      draft.decision?.verdict ?? null,
      draft.status ?? null,
    );
    this.#size += leaf.head.length + leaf.tail.length;
    if (payloads && draft.payloads !== undefined) {
      this.#addPayload("args", draft.payloads.args);
      this.#addPayload("result", draft.payloads.result);
      this.#addPayload("facts", draft.payloads.facts);
    }
  }

  /** A promise of the newest record's seq, kept once the batch is durable. */
  wait(): Promise<number> {
    const seq = this.last;
    return new Promise((resolve, reject) => this.#waiting.push({ seq, resolve, reject }));
  }

  settle(): void {
    for (const w of this.#waiting) w.resolve(w.seq);
  }

  fail(error: Error): void {
    for (const w of this.#waiting) w.reject(error);
  }

  #addPayload(name: string, text: string | undefined): void {
    if (text === undefined) return;
    this.message.payloadSeqs.push(this.last);
    this.message.payloads.push(name, text);
    this.#size += text.length;
  }
}
