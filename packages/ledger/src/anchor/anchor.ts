import { CallgateError } from "@callgate/core";
import { parseCheckpoint } from "../checkpoint.ts";
import { isSignedBy, type VerifierKey } from "../note.ts";

/** A signed checkpoint. */
export interface SignedCheckpoint {
  readonly size: number;
  readonly note: string;
}

/** What an anchor may ask of the log. */
export interface LogView {
  readonly origin: string;
  /** The log's own key. */
  readonly key: VerifierKey;
  /** The newest durable checkpoint; undefined in an empty log. */
  newest(): SignedCheckpoint | undefined;
  /** The root over the first `size` records, which the log MUST have. */
  rootAt(size: number): Buffer;
  consistencyProof(old: number, size: number): readonly Buffer[];
}

/** How what an anchor has seen goes with the log. `size` is the newest that it has seen, 0 for nothing. */
export interface Comparison {
  readonly size: number;
  /** `behind`: it has seen more than the log has. `forked`: it has seen other records. */
  readonly verdict: "agrees" | "behind" | "forked";
  /** What is wrong, for people. */
  readonly reason?: string;
  /** Lines of the anchor's signatures of the log's newest checkpoint, if it made any. */
  readonly cosigned?: string;
}

/** A place outside the data folder that keeps checkpoints. */
export interface Anchor {
  /** As it was configured. */
  readonly name: string;
  /** Holds what it has seen of the log against the log. Rejects if it cannot be asked. */
  compare(log: LogView): Promise<Comparison>;
  /**
   * Has it keep a checkpoint. MUST NOT resolve before it is kept. `seen` is the size it has seen before. Resolves with the lines of its
   * own signatures, if it makes any. Rejects if it refuses.
   */
  keep(checkpoint: SignedCheckpoint, log: LogView, seen: number): Promise<string | undefined>;
}

/** Holds an anchor's newest note against the log. */
export function compareNote(note: string | undefined, log: LogView): Comparison {
  if (note === undefined) return { size: 0, verdict: "agrees" };
  const read = parseCheckpoint(note);
  if (read === undefined) throw new CallgateError("ANCHOR_FAILED", "what it holds is not a checkpoint");
  const { origin, size, root } = read.checkpoint;
  const forked = (reason: string): Comparison => ({ size, verdict: "forked", reason });
  if (origin !== log.origin) return forked(`it is of the log \`${origin}\``);
  if (!isSignedBy(read.note, log.key)) return forked("another key signed it");
  const own = log.newest()?.size ?? 0;
  if (size > own) return { size, verdict: "behind", reason: `the ledger has ${own} records` };
  if (size > 0 && !log.rootAt(size).equals(root)) return forked("the ledger has other records");
  return { size, verdict: "agrees" };
}
