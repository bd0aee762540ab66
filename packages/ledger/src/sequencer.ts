import type { Worker } from "node:worker_threads";
import { CallgateError, messageOf, type RecordDraft } from "@callgate/core";
import type { AnchorState } from "./anchor/anchoring.ts";
import type { Lag } from "./anchor/open.ts";
import { Batch } from "./batch.ts";
import { type Keep, Keeping } from "./keeping.ts";
import { Lagging } from "./lagging.ts";
import { buildLeaf, type RunMembers, runMembers } from "./leaf.ts";
import type { Ledger } from "./port.ts";
import type { Head } from "./store.ts";
import type { Task, TaskResults } from "./task.ts";
import type { Failure, FromWriter, ToWriter } from "./writer.ts";

/** How long `appendLater` may wait for a commit to ride with, in milliseconds. */
const LATER_MS = 5;

/** How long a writer may take to end once it has failed or given the folder up, in milliseconds. */
const STUCK_MS = 5000;

/** A clock that goes forward by so much more than time has passed was changed, or the machine slept. In milliseconds. */
const JUMP_MS = 3_600_000;

/** What the sequencer needs to know of the log and of this run. */
export interface Run {
  readonly log: string;
  readonly boot: string;
  readonly head: Head;
  readonly recovered: number;
  /** The newest record that is sealed; 0 if none is. */
  readonly sealed: number;
  readonly segment?: number;
  readonly keep?: Keep;
  readonly onKeepError?: (error: Error) => void;
  readonly anchors: readonly AnchorState[];
  /** How far each anchor may be behind, in their order; undefined where none is awaited. */
  readonly lags?: readonly (Lag | undefined)[];
  readonly onAnchorError?: (anchor: AnchorState) => void;
  readonly onFailure?: (error: Error) => void;
}

interface Asked {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/**
 * Gives each record its place and its time, and hands the writer one batch after another. All that waits while a batch is
 * being committed is committed together with the next.
 */
export class Sequencer implements Ledger {
  readonly log: string;
  readonly boot: string;
  readonly recovered: number;
  readonly #worker: Worker;
  readonly #run: Run;
  readonly #members: RunMembers;
  readonly #ended: Promise<void>;
  /** Kept once the writer has given the folder up. */
  readonly #released = Promise.withResolvers<void>();
  readonly #epoch = performance.now();
  readonly #waiting: Batch[] = [];
  readonly #asked = new Map<number, Asked>();
  #nextTask = 1;
  #anchors: readonly AnchorState[] = [];
  readonly #lagging: Lagging | undefined;
  readonly #keeping: Keeping | undefined;
  #durable: number;
  #sealed: number;
  #sealing = false;
  #inFlight: Batch | undefined;
  #nextSeq: number;
  #lastTime: number;
  #lastIso = "";
  /** The process's own clock at the newest record of this run. */
  #lastMono: number | undefined;
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  #refusal: CallgateError | undefined;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(worker: Worker, run: Run) {
    this.log = run.log;
    this.boot = run.boot;
    this.recovered = run.recovered;
    this.#worker = worker;
    this.#run = run;
    this.#members = runMembers(run.log, run.boot);
    this.#nextSeq = run.head.seq + 1;
    this.#lastTime = run.head.ts;
    this.#durable = run.head.seq;
    this.#sealed = run.sealed;
    this.#lagging = run.lags && new Lagging(run.lags, this.#epoch, run.head.seq);
    this.#keeping = run.keep && new Keeping(run.keep, this, run.onKeepError ?? (() => {}));
    this.#hearAnchors(run.anchors);
    this.#ended = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.on("message", (message: FromWriter) => this.#hear(message));
    worker.on("error", (error) => this.#fail(messageOf(error)));
    worker.on("exit", (code) => this.#fail(`its writer ended with code ${code}`));
    worker.unref();
  }

  append(draft: RecordDraft): Promise<number> {
    let batch: Batch;
    try {
      batch = this.#add(draft);
    } catch (error) {
      return Promise.reject(error);
    }
    const durable = batch.wait();
    this.#schedule();
    return durable;
  }

  appendLater(draft: RecordDraft): number {
    const { last } = this.#add(draft);
    if (this.#inFlight === undefined && !this.#scheduled) this.#timer ??= setTimeout(() => this.#flush(), LATER_MS);
    return last;
  }

  anchors(): readonly (AnchorState & { readonly lag: number })[] {
    return this.#anchors.map((anchor) => ({ ...anchor, lag: Math.max(0, this.#durable - anchor.size) }));
  }

  refusal(): CallgateError | undefined {
    return this.#refusal ?? this.#lagging?.problem(this.#anchors, this.#durable, performance.now());
  }

  async seal(): Promise<number | undefined> {
    const seal = await this.ask({ task: "seal" });
    if (seal === undefined) return undefined;
    const seq = await this.append({ kind: "seal", detail: { ...seal } });
    this.#sealed = seal.to;
    this.#keeping?.look();
    return seq;
  }

  /** Has the writer do something between commits. Rejects with what it threw, or with `LEDGER_FAILED`. */
  async ask<T extends Task>(task: T): Promise<TaskResults[T["task"]]> {
    if (this.#refusal !== undefined) throw this.#refusal;
    const id = this.#nextTask++;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#asked.set(id, { resolve, reject });
    this.#worker.ref();
    this.#worker.postMessage({ ...task, id } satisfies ToWriter);
    return (await promise) as TaskResults[T["task"]];
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  /** Takes out what is not to be kept any longer, from now on whenever there is something. */
  startKeeping(): void {
    this.#keeping?.look();
  }

  async #end(): Promise<void> {
    this.#keeping?.close();
    if (this.#refusal !== undefined) {
      await this.#exit();
      return;
    }
    this.#refusal = new CallgateError("LEDGER_CLOSED", "the ledger is closed");
    if (this.#inFlight !== undefined || this.#waiting.length > 0) {
      const drained = new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
      this.#flush();
      await drained;
      if (this.#refusal.code === "LEDGER_FAILED") {
        await this.#exit();
        return;
      }
    }
    this.#worker.ref();
    this.#worker.postMessage(undefined satisfies ToWriter);
    await Promise.race([this.#ended, this.#released.promise]);
    await this.#exit();
  }

  /** A writer that failed ends by itself, and so does one that has nothing left to do; one that is stuck is ended. */
  async #exit(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage(undefined satisfies ToWriter);
    let timer: NodeJS.Timeout | undefined;
    const stuck = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, STUCK_MS);
    });
    await Promise.race([this.#ended, stuck]);
    clearTimeout(timer);
    // What waits for the disk in there may not end even so: nobody is to wait for it.
    void this.#worker.terminate();
    this.#worker.unref();
  }

  /** Puts a record into the newest waiting batch. A draft that is refused takes no seq. */
  #add(draft: RecordDraft): Batch {
    if (this.#refusal !== undefined) throw this.#refusal;
    // Only what lets something happen is refused: what did happen, or was denied, is recorded all the same.
    if (draft.kind === "intent") {
      const problem = this.refusal();
      if (problem !== undefined) throw problem;
    }
    const time = Date.now();
    const mono = performance.now();
    const ahead = this.#lastMono === undefined ? 0 : time - this.#lastTime - (mono - this.#lastMono);
    if (time < this.#lastTime || ahead > JUMP_MS) {
      // The clock was changed. Between two such records time only grows, which queries by time rely on.
      const from = new Date(this.#lastTime).toISOString();
      this.#place({ kind: "clock", detail: { from, to: new Date(time).toISOString() } }, time);
    }
    this.#lastMono = mono;
    return this.#place(draft, time);
  }

  #place(draft: RecordDraft, time: number): Batch {
    const iso = time === this.#lastTime && this.#lastIso !== "" ? this.#lastIso : new Date(time).toISOString();
    const mono = Math.round((performance.now() - this.#epoch) * 1000);
    const leaf = buildLeaf(draft, this.#members, this.#nextSeq, iso, mono);
    this.#lastTime = time;
    this.#lastIso = iso;
    let batch = this.#waiting.at(-1);
    if (batch === undefined || batch.full) {
      batch = new Batch(this.#nextSeq);
      this.#waiting.push(batch);
    }
    this.#nextSeq++;
    batch.add(draft, leaf, time);
    return batch;
  }

  // A commit starts when this turn of the event loop is over, so that appends of one turn are committed together.
  #schedule(): void {
    if (this.#scheduled || this.#inFlight !== undefined) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#inFlight !== undefined) return;
    const batch = this.#waiting.shift();
    if (batch === undefined) return;
    this.#inFlight = batch;
    // While somebody's record is on its way the process stays up.
    this.#worker.ref();
    this.#worker.postMessage(batch.message satisfies ToWriter);
  }

  #hear(message: FromWriter): void {
    if (typeof message === "object") {
      if ("failed" in message) {
        this.#release();
        this.#fail(message.failed.message);
      } else if ("unwritten" in message) this.#takeBack(message.unwritten);
      else if ("anchors" in message) this.#hearAnchors(message.anchors);
      else if ("done" in message) this.#hearDone(message);
      return;
    }
    if (message === "closed") {
      this.#release();
      return;
    }
    const batch = this.#inFlight;
    this.#inFlight = undefined;
    this.#lagging?.durable(this.#durable + 1, performance.now(), batch?.drafts.filter(counts).length ?? 0);
    this.#durable = message;
    if (this.#waiting.length > 0) {
      this.#flush();
    } else {
      this.#rest();
      this.#drained?.();
    }
    batch?.settle();
    if (this.#run.segment !== undefined && this.#durable - this.#sealed >= this.#run.segment) this.#sealNow();
  }

  /**
   * Nothing of the batch that was under way is written, and its appends are refused. Whatever nobody waits for, and what came
   * after, is placed anew: seqs have no gaps.
   */
  #takeBack({ code, message, help }: Failure): void {
    const refused = this.#inFlight;
    if (refused === undefined) return;
    if (this.#refusal !== undefined) {
      this.#fail(message);
      return;
    }
    this.#inFlight = undefined;
    const later = this.#waiting.splice(0);
    this.#nextSeq = refused.message.first;
    this.#lastTime = refused.message.times[0] as number;
    this.#lastIso = "";
    try {
      for (const batch of [refused, ...later])
        for (const [at, draft] of batch.drafts.entries())
          if (batch !== refused || !batch.isAwaited(at))
            this.#place(draft, batch.message.times[at] as number).takeOver(batch, at);
    } catch (error) {
      // Only a leaf that was at its limit, and has more digits now.
      for (const batch of [refused, ...later]) batch.fail(error as Error);
      this.#fail(messageOf(error));
      return;
    }
    refused.fail(new CallgateError(code ?? "LEDGER_BUSY", message, help === undefined ? {} : { help }));
    if (this.#waiting.length > 0) this.#flush();
    else this.#rest();
  }

  /** The writer has given the folder up. What an anchor still does holds its thread, and nobody wants that any more. */
  #release(): void {
    void this.#worker.terminate();
    this.#released.resolve();
  }

  /** Lets the process end where nobody waits for the writer. Whoever closes it waits for the last word. */
  #rest(): void {
    if (this.#asked.size === 0 && this.#inFlight === undefined && this.#closing === undefined) this.#worker.unref();
  }

  /** A seal that fails does so with the whole ledger, which says so itself. */
  #sealNow(): void {
    if (this.#sealing || this.#refusal !== undefined) return;
    this.#sealing = true;
    this.seal()
      .catch(() => {})
      .finally(() => {
        this.#sealing = false;
      });
  }

  #hearAnchors(anchors: readonly AnchorState[]): void {
    for (const [i, anchor] of anchors.entries()) {
      if (anchor.error !== undefined && this.#anchors[i]?.error === undefined) this.#run.onAnchorError?.(anchor);
    }
    this.#anchors = anchors;
    this.#lagging?.seen(anchors);
  }

  #hearDone(message: Extract<FromWriter, { done: number }>): void {
    const asked = this.#asked.get(message.done);
    this.#asked.delete(message.done);
    this.#rest();
    if ("value" in message) asked?.resolve(message.value);
    else {
      const { code, message: text, help } = message.refused;
      asked?.reject(new CallgateError(code ?? "LEDGER_TASK_FAILED", text, help === undefined ? {} : { help }));
    }
  }

  /** INVARIANT: after the first failure nothing is acknowledged any more. */
  #fail(reason: string): void {
    const closing = this.#refusal?.code === "LEDGER_CLOSED";
    if (this.#refusal !== undefined && !closing) return;
    if (closing && this.#inFlight === undefined && this.#waiting.length === 0) return;
    const error = new CallgateError("LEDGER_FAILED", `the ledger cannot be written: ${reason}`, {
      help: "make room or repair the disk, then start again; calls are refused until then",
    });
    this.#refusal = error;
    clearTimeout(this.#timer);
    const lost = this.#inFlight === undefined ? this.#waiting : [this.#inFlight, ...this.#waiting];
    for (const batch of lost) batch.fail(error);
    for (const asked of this.#asked.values()) asked.reject(error);
    this.#asked.clear();
    this.#inFlight = undefined;
    this.#waiting.length = 0;
    this.#drained?.();
    this.#run.onFailure?.(error);
  }
}

/** Whether a record counts in how far an anchor may be behind. */
function counts({ kind }: RecordDraft): boolean {
  return kind !== "denial";
}
