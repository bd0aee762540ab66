import { CallgateError } from "@callgate/core";
import type { AnchorState } from "./anchor/anchoring.ts";
import type { Lag } from "./anchor/open.ts";

/** Records become durable at a time; times closer together than this are one, in milliseconds. */
const COARSE_MS = 100;

/** Of so many parts of what may be behind, one may be more than there is: they are counted together. */
const PARTS = 20;

/** When a record became durable, and with it those after it up to the next mark. */
interface Mark {
  readonly seq: number;
  readonly at: number;
  /** How many records that count there were before it. */
  readonly before: number;
}

/**
 * Tells when an anchor that calls depend on is behind by more than it may be. What no anchor has seen is protected by nobody: rather
 * than to let that grow, nothing more is let happen. Denials do not count in `records`: of them there are the more the longer an anchor
 * is behind, also by calls that are refused for it.
 */
export class Lagging {
  readonly #lags: readonly (Lag | undefined)[];
  readonly #timed: boolean;
  /** So many records that count are of one mark. */
  readonly #part: number;
  /** Records that count and are durable. */
  #counted: number;
  /** Oldest first; those that all anchors have seen are dropped. */
  #marks: Mark[];

  /** `lags` stand in the order of the anchors; there are `records` of earlier runs, which all count. */
  constructor(lags: readonly (Lag | undefined)[], now: number, records = 0) {
    this.#lags = lags;
    this.#part = Math.max(1, Math.floor(Math.min(...lags.map((lag) => lag?.records ?? Infinity)) / PARTS));
    this.#counted = records;
    this.#timed = lags.some((lag) => lag?.ms !== undefined);
    // What an earlier run left may be of any age: it counts from now.
    this.#marks = [{ seq: 0, at: now, before: 0 }];
    if (records > 0) this.#marks.push({ seq: records + 1, at: now, before: records });
  }

  /** The records from `seq` on are durable now; so many of them count. */
  durable(seq: number, now: number, counted: number): void {
    const last = this.#marks.at(-1) as Mark;
    if ((this.#timed && now - last.at >= COARSE_MS) || this.#counted - last.before >= this.#part)
      this.#marks.push({ seq, at: now, before: this.#counted });
    this.#counted += counted;
  }

  /** The anchors have seen this much. */
  seen(anchors: readonly AnchorState[]): void {
    const least = Math.min(...anchors.filter((_, i) => this.#lags[i] !== undefined).map(({ size }) => size));
    const first = this.#marks.findLastIndex(({ seq }) => seq <= least + 1);
    if (first > 0) this.#marks = this.#marks.slice(first);
  }

  /** Why no call may run, of anchors that stand so while `durable` records are durable; undefined if all may. */
  problem(anchors: readonly AnchorState[], durable: number, now: number): CallgateError | undefined {
    for (const [i, lag] of this.#lags.entries()) {
      const anchor = anchors[i];
      if (lag === undefined || anchor === undefined || anchor.size >= durable) continue;
      const records = durable - anchor.size;
      const mark = this.#marks.findLast(({ seq }) => seq <= anchor.size + 1);
      const since = mark?.at ?? now;
      const late = lag.ms !== undefined && now - since > lag.ms;
      const counted = Math.min(records, this.#counted - (mark?.before ?? 0));
      if (late || (lag.records !== undefined && counted > lag.records))
        return behind(anchor, records, now - since, late);
    }
    return undefined;
  }
}

function behind({ name, error }: AnchorState, records: number, ms: number, late: boolean): CallgateError {
  const since = late ? `, for ${Math.round(ms / 1000)} s` : "";
  const why = error === undefined ? "" : `: ${error}`;
  return new CallgateError(
    "LEDGER_ANCHOR_BEHIND",
    `the anchor \`${name}\` has not seen the newest ${records} records${since}${why}`,
    { help: "bring it back; calls run again as soon as it has them" },
  );
}
