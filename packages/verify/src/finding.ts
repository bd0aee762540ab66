/**
 * What a finding says about the ledger. `integrity`: something was changed. `completeness`: something is gone that is known
 * to have been there. `unreadable`: something could not be read, so that nothing can be said of it.
 */
export type Aspect = "integrity" | "completeness" | "unreadable";

/** One thing that is wrong. */
export interface Finding {
  readonly aspect: Aspect;
  /** Stable: what kind of thing, as in `leaf-hash`; docs/verify.md lists them. */
  readonly code: string;
  /** The first record it shows on; absent where it is not a record that is wrong. */
  readonly seq?: number;
  /** The last one, where it is several or one of several. */
  readonly to?: number;
  readonly problem: string;
}

/** Findings of one kind that are listed; a file with more is no more broken for it, and they are counted. */
const LISTED = 100;

/** Findings as they come, with the first of each kind kept and all counted. */
export class Findings {
  readonly list: Finding[] = [];
  /** By code. */
  readonly counts = new Map<string, number>();

  add(aspect: Aspect, code: string, problem: string, seq?: number, to?: number): void {
    const count = (this.counts.get(code) ?? 0) + 1;
    this.counts.set(code, count);
    if (count > LISTED) return;
    this.list.push({
      aspect,
      code,
      ...(seq !== undefined && { seq }),
      ...(to !== undefined && to !== seq && { to }),
      problem,
    });
  }

  /** Records that are not there; a stretch that goes on from the one before is one finding with it. */
  missing(from: number, to: number): void {
    const last = this.list.at(-1);
    const first = last?.code === "missing" && (last.to ?? last.seq) === from - 1 ? this.list.pop()?.seq : undefined;
    if (first !== undefined) this.counts.set("missing", (this.counts.get("missing") ?? 1) - 1);
    const start = first ?? from;
    const which = start === to ? `record ${to} is` : `records ${start} to ${to} are`;
    this.add("integrity", "missing", `${which} missing`, start, to);
  }

  /** Counts one more of a kind without listing it. */
  count(code: string): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
  }

  /** All of them. */
  get total(): number {
    let total = 0;
    for (const count of this.counts.values()) total += count;
    return total;
  }

  /** Takes over what another one found. */
  merge(list: readonly Finding[], counts: ReadonlyMap<string, number>): void {
    for (const { aspect, code, problem, seq, to } of list) {
      if (code === "missing" && seq !== undefined) this.missing(seq, to ?? seq);
      else this.add(aspect, code, problem, seq, to);
    }
    for (const [code, count] of counts) {
      const listed = list.reduce((sum, finding) => sum + (finding.code === code ? 1 : 0), 0);
      this.counts.set(code, (this.counts.get(code) ?? 0) + count - listed);
    }
  }
}
