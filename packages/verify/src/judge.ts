import type { Anchor } from "./anchor.ts";
import type { Findings } from "./finding.ts";

/** What an anchor turned out to say. */
export interface AnchorReport {
  readonly name: string;
  /** Checkpoints of this log that it holds. */
  readonly checkpoints: number;
  /** The most records it has seen. */
  readonly newest: number;
  /** Records up to which it and the ledger agree; 0 for none. */
  readonly covers: number;
  /** The witness whose signature stands in the checkpoint, and when it was made. */
  readonly by?: string;
  readonly at?: string;
  /** A witness whose signature could not be checked; it covers nothing. */
  readonly unproven?: true;
}

/** The log as it was found. */
export interface Found {
  /** Seq of the newest record. */
  readonly records: number;
  /** Records over which the tree could be built. */
  readonly size: number;
  readonly roots: ReadonlyMap<number, Buffer>;
}

/** Holds an anchor against the log: whether the log has all that the anchor has seen, and as it has seen it. */
export function judgeAnchor(
  anchor: Anchor,
  log: Found,
  keyKnown: boolean,
  findings: Findings,
  unchecked: string[] = [],
): AnchorReport {
  const { name, entries } = anchor;
  if (anchor.problem !== undefined) findings.add("unreadable", "anchor", `the anchor \`${name}\`: ${anchor.problem}`);
  else if (anchor.skipped > 0)
    unchecked.push(`${anchor.skipped} lines of the anchor \`${name}\`: they are no checkpoints`);
  if (entries.length === 0 && anchor.problem === undefined) {
    const others = anchor.others > 0 ? ", only of others" : "";
    findings.add("completeness", "anchor-unknown", `the anchor \`${name}\` knows nothing of this log${others}`);
  }
  const sorted = [...entries].sort((a, b) => a.checkpoint.size - b.checkpoint.size);
  const newest = sorted.at(-1);
  if (newest !== undefined && keyKnown && !newest.isSigned()) {
    const problem = `${newest.where} is not signed by the log's key: the key was exchanged, or somebody else wrote to the anchor`;
    findings.add("integrity", "anchor-signature", problem);
  }
  let covers = 0;
  let forked = false;
  for (const { checkpoint, where } of sorted) {
    const { size, root } = checkpoint;
    if (size > log.size || size === 0) continue;
    if (log.roots.get(size)?.equals(root) === true) {
      if (!forked) covers = size;
      continue;
    }
    if (forked) findings.count("anchor-root");
    else {
      const which = covers + 1 === size ? `record ${size} is` : `the records ${covers + 1} to ${size} are`;
      const problem = `${which} not as the anchor \`${where}\` has seen them: the log was rewritten, or is another branch of it`;
      findings.add("integrity", "anchor-root", problem, covers + 1, size);
    }
    forked = true;
  }
  const seen = newest?.checkpoint.size ?? 0;
  if (seen > log.records) {
    const last = log.records + 1 === seen ? `record ${seen} is` : `the records ${log.records + 1} to ${seen} are`;
    const problem = `the anchor \`${name}\` has seen ${seen} records and the ledger has ${log.records}: ${last} gone`;
    findings.add("completeness", "anchor-short", problem, log.records + 1, seen);
  }
  const known = { name, checkpoints: entries.length, newest: seen };
  if (anchor.unproven === undefined) return { ...known, covers };
  unchecked.push(
    `whether \`${name}\` is the witness: give its key with --witness-vkey; without it any web server could say the same`,
  );
  return { ...known, covers: 0, unproven: true };
}
