/** How long a writer waits for others, in milliseconds. */
export interface Patience {
  /** For another program that has the ledger's file, or that of its keys, for itself. */
  readonly busy: number;
  /** At the latest so long after its commit an anchor is given a checkpoint. */
  readonly late: number;
  /** For an anchor that is asked something. More than what an anchor allows itself, so that what it says is heard. */
  readonly anchor: number;
  /** On closing, for anchors to take the last checkpoint. */
  readonly lastCall: number;
}

export const PATIENCE: Patience = { busy: 10_000, late: 1000, anchor: 15_000, lastCall: 3000 };
