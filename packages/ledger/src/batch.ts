import type { RecordDraft } from "@callgate/core";
import { toolColumn } from "./columns.ts";
import type { LeafPieces } from "./leaf.ts";

/** Most records that one commit takes. */
export const BATCH_RECORDS = 256;
/** A commit takes no further record once it holds this many UTF-16 code units of text. */
const BATCH_TEXT = 8 * 1024 * 1024;
/** Strings per record in `BatchMessage.text`. */
export const TEXT_WIDTH = 15;

/** The payloads that a record may have, as `BatchMessage.payloadNames` counts them. */
export const PAYLOAD_NAMES = ["args", "facts", "result"] as const;

/**
 * One commit, as it goes to the writer. Flat arrays of strings and numbers: a structured clone of one object a record costs
 * several times as much.
 */
export interface BatchMessage {
  /** The first record's seq; the others follow without gaps. */
  readonly first: number;
  /** Unix milliseconds, one a record. */
  readonly times: number[];
  /**
   * For each record: the leaf's pieces (before args, facts, prev and result, and the tail), the plain digests of args, facts and
   * result where the draft gave them, kind, agent, session, call, tool, verdict, status.
   */
  readonly text: (string | null)[];
  /** For each payload: seq, and which one it is. */
  readonly payloadPlaces: number[];
  /** For each payload: its text. */
  readonly payloads: string[];
}

/** One who waits for the record at a place in a batch. */
interface Waiting {
  readonly at: number;
  resolve(seq: number): void;
  reject(error: Error): void;
}

/** Records that are committed together, and those who wait for it. */
export class Batch {
  readonly message: BatchMessage;
  readonly drafts: RecordDraft[] = [];
  #waiting: Waiting[] = [];
  #size = 0;

  constructor(first: number) {
    this.message = { first, times: [], text: [], payloadPlaces: [], payloads: [] };
  }

  get full(): boolean {
    return this.message.times.length >= BATCH_RECORDS || this.#size >= BATCH_TEXT;
  }

  /** The seq of the newest record in it. */
  get last(): number {
    return this.message.first + this.message.times.length - 1;
  }

  add(draft: RecordDraft, leaf: LeafPieces, time: number): void {
    const m = this.message;
    this.drafts.push(draft);
    m.times.push(time);
    m.text.push(
      leaf.args,
      leaf.facts,
      leaf.prev,
      leaf.result,
      leaf.tail,
      draft.args ?? null,
      (draft.detail?.["facts"] as string | undefined) ?? null,
      draft.result ?? null,
      draft.kind,
      draft.agent ?? null,
      draft.session ?? null,
      draft.call ?? null,
      draft.tool === undefined ? null : toolColumn(draft.tool),
      draft.decision?.verdict ?? null,
      draft.status ?? null,
    );
    this.#size += leaf.prev.length + leaf.tail.length;
    if (draft.payloads !== undefined)
      for (const [i, name] of PAYLOAD_NAMES.entries()) this.#addPayload(i, draft.payloads[name]);
  }

  /** A promise of the newest record's seq, kept once the batch is durable. */
  wait(): Promise<number> {
    const at = this.drafts.length - 1;
    return new Promise((resolve, reject) => this.#waiting.push({ at, resolve, reject }));
  }

  settle(): void {
    for (const w of this.#waiting) w.resolve(this.message.first + w.at);
  }

  /** Whether somebody waits for the record at a place. */
  isAwaited(at: number): boolean {
    return this.#waiting.some((w) => w.at === at);
  }

  /** Has those who wait for the record at a place in another batch wait for the newest of this one. */
  takeOver(other: Batch, place: number): void {
    const at = this.drafts.length - 1;
    for (const w of other.#waiting) if (w.at === place) this.#waiting.push({ ...w, at });
    other.#waiting = other.#waiting.filter((w) => w.at !== place);
  }

  fail(error: Error): void {
    for (const w of this.#waiting) w.reject(error);
  }

  #addPayload(name: number, text: string | undefined): void {
    if (text === undefined) return;
    this.message.payloadPlaces.push(this.last, name);
    this.message.payloads.push(text);
    this.#size += text.length;
  }
}
