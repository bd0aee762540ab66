import { CallgateError, messageOf } from "@callgate/core";
import type { Patience } from "../patience.ts";
import type { Anchor, Comparison, LogView, SignedCheckpoint } from "./anchor.ts";

/** An anchor is given a checkpoint when so many records were added since the one before, if it is not late before that. */
const LATE_RECORDS = 256;
const LONGEST_PAUSE_MS = 60_000;
/** The same where calls are refused until the anchor is back. */
const LONGEST_AWAITED_MS = 2000;

/** How an anchor stands. */
export interface AnchorState {
  readonly name: string;
  /** Records that the anchor is known to have seen; 0 for none. */
  readonly size: number;
  /** Why the last attempt failed. */
  readonly error?: string;
}

/** The lines with which an anchor signed a checkpoint. */
export interface Cosigning {
  readonly anchor: string;
  readonly checkpoint: SignedCheckpoint;
  readonly lines: string;
}

/** One anchor with what is known of it. */
export interface Anchored {
  readonly anchor: Anchor;
  readonly required: boolean;
  /** Whether appends wait for it to keep up: then it is tried again sooner. */
  readonly awaited?: boolean;
}

/**
 * Asks all anchors whether they agree with the log. Throws `LEDGER_BEHIND_ANCHOR` if one has seen more records than the log has,
 * `LEDGER_FORKED` if one has seen other ones, `LEDGER_ANCHOR_UNREACHABLE` if a required one cannot be asked. Others that cannot be
 * asked come back with an error.
 */
export async function compareAll(
  anchors: readonly Anchored[],
  log: LogView,
  cosigned: (signing: Cosigning) => void = () => {},
): Promise<readonly AnchorState[]> {
  return await Promise.all(
    anchors.map(async ({ anchor, required }): Promise<AnchorState> => {
      const { name } = anchor;
      const comparison = await anchor.compare(log).catch((error: unknown) => {
        if (!required) return messageOf(error);
        throw new CallgateError(
          "LEDGER_ANCHOR_UNREACHABLE",
          `the anchor \`${name}\` cannot be asked: ${messageOf(error)}`,
          {
            help: "bring it back, or take `required` off it if it is known why it is gone",
            cause: error,
          },
        );
      });
      if (typeof comparison === "string") return { name, size: 0, error: comparison };
      const conflict = conflictOf(name, comparison, log);
      if (conflict !== undefined) throw conflict;
      const checkpoint = log.newest();
      if (comparison.cosigned && checkpoint) cosigned({ anchor: name, checkpoint, lines: comparison.cosigned });
      return { name, size: comparison.size };
    }),
  );
}

function conflictOf(
  name: string,
  { verdict, size, reason }: Comparison,
  { origin }: LogView,
): CallgateError | undefined {
  if (verdict === "agrees") return undefined;
  const help =
    "restore the newest copy of the data folder; where records are really gone, keep it as evidence and start a new one";
  if (verdict === "behind") {
    const message = `the anchor \`${name}\` has seen ${size} records of \`${origin}\`, and ${reason}`;
    return new CallgateError("LEDGER_BEHIND_ANCHOR", message, { help });
  }
  const message = `the anchor \`${name}\` has a checkpoint of ${size} records that is not one of \`${origin}\`: ${reason}`;
  return new CallgateError("LEDGER_FORKED", message, { help });
}

/** Who is told of what happens behind the commits. */
export interface Hearing {
  /** The state of an anchor may have changed. */
  changed(): void;
  /** An anchor signed a checkpoint. */
  cosigned(signing: Cosigning): void;
  /** An anchor that could not be asked at the start has been, and has seen what the log has not: nothing MUST be written any more. */
  conflict(error: CallgateError): void;
}

/** Gives checkpoints to anchors, behind the commits: nobody waits for it but `close`. */
export class Anchoring {
  readonly #runners: readonly Runner[];

  constructor(
    anchors: readonly Anchored[],
    states: readonly AnchorState[],
    log: LogView,
    patience: Patience,
    hear: Hearing,
  ) {
    this.#runners = anchors.map((anchored, i) => new Runner(anchored, states[i] as AnchorState, log, patience, hear));
  }

  get states(): readonly AnchorState[] {
    return this.#runners.map((runner) => runner.state);
  }

  /** Tells of a new checkpoint, which MUST be durable. */
  take(checkpoint: SignedCheckpoint): void {
    for (const runner of this.#runners) runner.take(checkpoint);
  }

  /** Gives all anchors what they lack, as far as they take it within a few seconds. */
  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.close()));
  }

  /** Gives nothing to anybody any more. */
  abandon(): void {
    for (const runner of this.#runners) runner.abandon();
  }
}

class Runner {
  state: AnchorState;
  readonly #anchor: Anchor;
  readonly #log: LogView;
  readonly #patience: Patience;
  readonly #hear: Hearing;
  readonly #longestPause: number;
  #next: SignedCheckpoint | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause: number;
  #failed: boolean;
  /** INVARIANT: what was never compared with the log is never added to. */
  #compared: boolean;
  #closed = false;

  constructor(
    { anchor, awaited = false }: Anchored,
    state: AnchorState,
    log: LogView,
    patience: Patience,
    hear: Hearing,
  ) {
    this.#anchor = anchor;
    this.#longestPause = awaited ? LONGEST_AWAITED_MS : LONGEST_PAUSE_MS;
    this.state = state;
    this.#log = log;
    this.#patience = patience;
    this.#pause = patience.late;
    this.#hear = hear;
    this.#failed = state.error !== undefined;
    this.#compared = !this.#failed;
  }

  take(checkpoint: SignedCheckpoint): void {
    if (this.#closed) return;
    this.#next = checkpoint;
    if (this.#running !== undefined) return;
    const due = !this.#failed && checkpoint.size - this.state.size >= LATE_RECORDS;
    if (due) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.#pause);
  }

  abandon(): void {
    this.#closed = true;
    this.#next = undefined;
    clearTimeout(this.#timer);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const late = new Promise<void>((resolve) => setTimeout(resolve, this.#patience.lastCall).unref());
    await Promise.race([late, this.#finish()]);
  }

  async #finish(): Promise<void> {
    await this.#running;
    if (this.#next !== undefined) await this.#give();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#give().finally(() => {
      this.#running = undefined;
      const waiting = this.#next;
      if (waiting !== undefined && !this.#closed) this.take(waiting);
    });
  }

  async #give(): Promise<void> {
    const checkpoint = this.#next;
    if (checkpoint === undefined) return;
    this.#next = undefined;
    const { name } = this.state;
    let { size } = this.state;
    try {
      if (!this.#compared) {
        const comparison = await this.#anchor.compare(this.#log);
        const conflict = conflictOf(name, comparison, this.#log);
        if (conflict !== undefined) this.#hear.conflict(conflict);
        if (conflict !== undefined) throw conflict;
        this.#compared = true;
        size = comparison.size;
      }
      const lines = await this.#anchor.keep(checkpoint, this.#log, size);
      if (lines) this.#hear.cosigned({ anchor: name, checkpoint, lines });
      this.state = { name, size: checkpoint.size };
      this.#pause = this.#patience.late;
      this.#failed = false;
    } catch (error) {
      this.state = { name, size, error: messageOf(error) };
      // A newer one may have come meanwhile.
      this.#next ??= checkpoint;
      if (this.#failed) this.#pause = Math.min(this.#pause * 2, this.#longestPause);
      this.#failed = true;
    }
    this.#hear.changed();
  }
}
