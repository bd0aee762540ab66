import type { Findings } from "./finding.ts";
import { member } from "./leaf.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Whole } from "./whole.ts";

/** What a seal record says: that a segment of records was closed, and the tree's root there. */
export interface Seal {
  readonly seq: number;
  readonly segment: unknown;
  readonly from: number;
  readonly to: number;
  readonly size: number;
  readonly root: string;
}

/** Reads the leaves of seal records. What is no seal is left out: its own check says what is wrong with it. */
export function parseSeals(leaves: readonly string[]): readonly Seal[] {
  const seals: Seal[] = [];
  for (const text of leaves) {
    const leaf = parsed(text);
    const detail = member(leaf, "detail");
    if (detail === undefined) continue;
    const seq = Number(member(leaf, "seq"));
    const [from, to, size] = ["from", "to", "size"].map((name) => Number(member(detail, name))) as [
      number,
      number,
      number,
    ];
    seals.push({ seq, segment: member(detail, "segment"), from, to, size, root: String(member(detail, "root")) });
  }
  return seals;
}

/** Each seal MUST go on where the one before ended, and hold the root that the tree had. */
export function checkSeals(seals: readonly Seal[], whole: Whole, findings: Findings): void {
  // Seals are archived like all records: what the first that is left goes on from may not be known.
  const first = seals[0];
  let end = first === undefined || first.segment === 1 ? 0 : first.from - 1;
  for (const seal of seals) {
    const report = (problem: string): void => findings.add("integrity", "seal", problem, seal.seq);
    if (seal.from !== end + 1 || !(seal.to >= seal.from && seal.to < seal.seq) || seal.size !== seal.to)
      report(`the seal of the records ${seal.from} to ${seal.to} does not go on from ${end}`);
    end = seal.to;
    const root = whole.roots.get(seal.size);
    if (root !== undefined && root.toString("base64") !== seal.root)
      report(`the records ${seal.from} to ${seal.to} are not those that were sealed`);
  }
}

/**
 * Records that are not in the ledger's file any more MUST be sealed segments, and a record MUST say that they were archived. Gives how many
 * of those of which only the hash is here were archived, and how many deleted.
 */
export function checkArchived(
  { least, most }: Snapshot,
  seals: readonly Seal[],
  whole: Whole,
  findings: Findings,
  unchecked: string[],
): { readonly archived: number; readonly deleted: number } {
  if (most === 0 || least <= 1) return { archived: whole.tally.archived, deleted: 0 };
  const last = least - 1;
  const gone = last === 1 ? "record 1 is gone" : `records 1 to ${last} are gone`;
  if (!seals.some((seal) => seal.to === last))
    findings.add("integrity", "missing", `${gone}, and no seal closes a segment there`, 1, last);
  else if (!whole.tally.configs.some((text) => member(member(detailOf(text), "archived"), "to") === last))
    findings.add("integrity", "missing", `${gone}, and no record says that they were archived`, 1, last);
  const hashed = goneBefore(least, whole);
  if (hashed.archived > 0) {
    const what = `the content of ${hashed.archived} archived records: only their hashes are here`;
    unchecked.push(`${what}; name the folder of their segments with --segments`);
  }
  if (hashed.deleted > 0)
    unchecked.push(`the content of ${hashed.deleted} deleted records: only their hashes are left, here and anywhere`);
  return hashed;
}

function goneBefore(least: number, { tally }: Whole): { readonly archived: number; readonly deleted: number } {
  const told = tally.configs.map((text) => member(detailOf(text), "archived")).filter((one) => one !== undefined);
  const deleted = told.filter((one) => member(one, "deleted") === true);
  // What is said of older ones may have been taken out itself.
  if (deleted.length === told.length && told.length > 0) return { archived: 0, deleted: tally.archived };
  const many = deleted.reduce<number>((sum, one) => {
    const [from, to] = [Number(member(one, "from")), Number(member(one, "to"))];
    return to < least && to >= from && from > 0 ? sum + to - from + 1 : sum;
  }, 0);
  const known = Math.min(many, tally.archived);
  return { archived: tally.archived - known, deleted: known };
}

/** A session whose key is gone MUST have been shredded by a record. */
export function checkShredded({ tally: { configs, keyless } }: Whole, findings: Findings): void {
  const shredded = new Set(configs.map((text) => member(detailOf(text), "shredded")));
  for (const session of keyless) {
    if (shredded.has(session)) continue;
    const whose = session === "" ? "the log's own payloads" : `the payloads of session \`${session}\``;
    findings.add(
      "completeness",
      "key-missing",
      `the key of ${whose} is gone, and no record says that they were shredded`,
    );
  }
}

function detailOf(text: string): unknown {
  return member(parsed(text), "detail");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
