import type { LedgerRecord, RecordKind } from "@callgate/core";
import type { LedgerReader } from "@callgate/ledger";

/** Which records were looked through. */
export interface Searched {
  /** `index`: those that the index of words names. `scan`: all from `from` on. */
  readonly by: "index" | "scan";
  readonly from: number;
  readonly to: number;
  /** How many were read. */
  readonly records: number;
  /** False if records were left out. */
  readonly whole: boolean;
}

/** Records that may hold some texts, and what was looked at to find them, which is known after the last one. */
export interface Candidates {
  readonly records: Iterable<LedgerRecord>;
  searched(): Searched;
}

/** The kinds of records whose payloads are texts of agents and tools. */
const KINDS: readonly RecordKind[] = ["intent", "denial", "outcome"];
/** Records that the index may be behind: the reader looks at so many by itself. */
const BEHIND = 900;
const PAGE = 500;

/**
 * Records of other sessions in which some of `texts` may stand; whoever asks MUST look closer. A ledger of up to `scan` records is read
 * as a whole; of a larger one the index of words says which, up to `scan` of them; without an index the newest `scan` are read.
 */
export function candidates(
  reader: LedgerReader,
  session: string,
  texts: readonly string[],
  scan: number,
  onProgress?: (done: number, total: number) => void,
): Candidates {
  const { head, indexed } = reader.searchState();
  const first = Math.max(1, head - scan + 1);
  const byIndex = first > 1 && indexed !== undefined && head - indexed < BEHIND;
  let records = 0;
  let whole = byIndex || first === 1;

  function* named(): Generator<LedgerRecord, void> {
    const terms = [
      { field: "text", any: texts.map((is) => ({ is })) },
      { field: "session", not: true, any: [{ is: session }] },
    ] as const;
    for (const record of reader.records({ kind: KINDS, terms, order: "desc" })) {
      if (records === scan) {
        whole = false;
        return;
      }
      records++;
      yield record;
    }
  }
  function* all(): Generator<LedgerRecord, void> {
    for (let after = first - 1; ; ) {
      const page = reader.query({ kind: KINDS, order: "asc", limit: PAGE, after });
      records += page.length;
      yield* page;
      after = page.at(-1)?.seq ?? after;
      onProgress?.(after - first + 1, head - first + 1);
      if (page.length < PAGE) return;
    }
  }
  return {
    records: texts.length === 0 ? [] : byIndex ? named() : all(),
    searched: () => ({ by: byIndex ? "index" : "scan", from: byIndex ? 1 : first, to: head, records, whole }),
  };
}
