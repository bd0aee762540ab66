import { messageOf } from "@callgate/core";
import type { ArchivedSegment } from "./archive.ts";
import type { Seal } from "./seal.ts";
import type { Task, TaskResults } from "./task.ts";

/** For how long sealed segments stay in the ledger, and what becomes of them. */
export interface Keep {
  /** A segment goes once its newest record is older than so many days. */
  readonly days?: number;
  /** A segment goes once so many records came after it. With `days` both MUST hold. */
  readonly records?: number;
  /** The folder that segments are moved to, each to a file of its own; without one they are deleted. */
  readonly to?: string;
}

/** How often it is looked whether a segment has become too old, in milliseconds. */
const LOOK_MS = 600_000;

/** What is needed to take a segment out. */
export interface KeepingLog {
  ask<T extends Task>(task: T): Promise<TaskResults[T["task"]]>;
  append(draft: { readonly kind: "config"; readonly detail: Readonly<Record<string, unknown>> }): Promise<number>;
}

/**
 * Takes sealed segments out of the ledger that are not to be kept any longer, oldest first and one after another. What remains proves
 * as before. A segment that cannot be taken out stays, and is tried again.
 */
export class Keeping {
  readonly #keep: Keep;
  readonly #log: KeepingLog;
  readonly #onError: (error: Error) => void;
  readonly #timer: NodeJS.Timeout;
  #busy = false;
  #told = "";

  constructor(keep: Keep, log: KeepingLog, onError: (error: Error) => void) {
    this.#keep = keep;
    this.#log = log;
    this.#onError = onError;
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Looks whether something is to go, now: after a seal, or at the start. */
  look(): void {
    if (this.#busy) return;
    this.#busy = true;
    void this.#work().finally(() => {
      this.#busy = false;
    });
  }

  /** Begins nothing more. */
  close(): void {
    clearInterval(this.#timer);
  }

  async #work(): Promise<void> {
    try {
      for (;;) {
        const due = await this.#log.ask({ task: "due", keep: this.#keep, now: Date.now() });
        if (due.length === 0) break;
        for (const seal of due) await this.#take(seal);
      }
      this.#told = "";
    } catch (error) {
      const text = messageOf(error);
      // What ends the ledger says so itself.
      const ended = /^LEDGER_(?:CLOSED|FAILED)$/.test((error as { code?: string }).code ?? "");
      if (!ended && text !== this.#told) this.#onError(error instanceof Error ? error : new Error(text));
      this.#told = text;
    }
  }

  /** Recorded before it is done: of what is gone the record says where it went. */
  async #take({ from, to: last }: Seal): Promise<void> {
    const { to } = this.#keep;
    const segments: readonly ArchivedSegment[] =
      to === undefined
        ? [{ from, to: last, deleted: true }]
        : await this.#log.ask({ task: "copy", before: last + 1, to });
    for (const segment of segments) await this.#log.append({ kind: "config", detail: { archived: segment } });
    await this.#log.ask({ task: "drop", segments, ...(to !== undefined && { to }) });
  }
}
