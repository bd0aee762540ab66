import { beforeRange, Chain } from "./chain.ts";
import type { FileKeys } from "./encrypted.ts";
import { type Finding, Findings } from "./finding.ts";
import { HASH, Subtrees, TILE } from "./merkle.ts";
import { ML_DSA, type NoteKey, openNote, parseNoteKey } from "./note.ts";
import type { PayloadKeys } from "./payload.ts";
import { type CheckpointRow, type Differs, Source } from "./source.ts";
import type { Tally } from "./tally.ts";

/** Records of one range: a power of two, and whole tiles. */
export const RANGE_HEIGHT = 12;
export const RANGE = 2 ** RANGE_HEIGHT;

/** What all ranges of one ledger have in common; goes to each thread as it is. */
export interface RangeContext {
  readonly path: string;
  readonly segments: readonly string[];
  /** Of these files, where they are encrypted. */
  readonly fileKey?: FileKeys;
  readonly log: string;
  /** Each thread looks at the file as it was at one moment: a broker took something out of it while it was looked at before. */
  readonly pinned?: true;
  /** Seq of the oldest record that is not archived. */
  readonly least: number;
  /** The verifier key that checkpoints are checked against. */
  readonly key?: string;
  /** The one of ML-DSA-44, where the log has one. */
  readonly secondKey?: string;
  /** Keys of payloads, where they are there. */
  readonly payloadKeys?: PayloadKeys;
  /** Open every payload, not only the first of each session. */
  readonly openAll: boolean;
  /** Sizes, besides those of checkpoints, at which the tree's root is wanted. */
  readonly sizes: readonly number[];
}

/** Records first..last; `first` is a multiple of RANGE plus one. */
export interface RangeTask {
  readonly first: number;
  readonly last: number;
}

/** What one range was found to be. */
export interface RangeResult extends RangeTask {
  readonly findings: readonly Finding[];
  readonly counts: ReadonlyMap<string, number>;
  readonly tally: Tally;
  /** Leaves from the first on that have a hash: all of them, unless one is missing. */
  readonly leaves: number;
  /** Roots of the tiles of leaves, one after another, 32 bytes each. */
  readonly tiles: Uint8Array;
  /** Root over `leaves`, if there is any. */
  readonly root?: Uint8Array;
  /** Roots of this range's part of the tree at the wanted sizes, which are counted from the log's beginning. */
  readonly parts: readonly { readonly size: number; readonly root: Uint8Array }[];
  /** What checkpoints say the whole tree's root is. */
  readonly claims: readonly { readonly size: number; readonly root: Uint8Array }[];
  /** Calls whose intent is here and whose outcome is not, and the other way round. */
  readonly intents: readonly string[];
  readonly outcomes: readonly string[];
}

/** A function that checks ranges of one ledger, one after another. It throws only what SQLite throws. */
export function rangeChecker(context: RangeContext): (task: RangeTask) => RangeResult {
  const source = new Source(context);
  const noteKey = context.key === undefined ? undefined : parseNoteKey(context.key);
  const second = context.secondKey === undefined ? undefined : parseNoteKey(context.secondKey, ML_DSA);
  const origin = `callgate/${context.log}`;

  return ({ first, last }) => {
    const findings = new Findings();
    const differs: Differs = (path, seq) =>
      findings.add(
        "integrity",
        "segment",
        `the segment \`${path}\` has this record otherwise than the ledger or another segment`,
        seq,
      );
    const chain = new Chain(findings, context, beforeRange(source, first), differs);
    const hashes = Buffer.alloc((last - first + 1) * HASH);
    let leaves = 0;
    for (let from = first; from <= last; from += TILE) {
      const to = Math.min(from + TILE - 1, last);
      const rows = source.records(from, to, differs);
      const kept = source.leafTile((from - 1) / TILE);
      const checked = chain.take(rows, source, from, to, kept);
      if (leaves === from - first) {
        checked.hashes.copy(hashes, leaves * HASH, 0, checked.leaves * HASH);
        leaves += checked.leaves;
      }
    }

    const tree = new Subtrees(hashes, leaves);
    const { claims, twice } = claimsOf(source.checkpoints(first, last), origin, noteKey, second, findings);
    const wanted = new Set(context.sizes.filter((size) => size >= first && size <= last));
    for (const { size } of claims) wanted.add(size);
    const parts = [...wanted]
      .filter((size) => size < first + leaves)
      .map((size) => ({ size, root: tree.rootAt(size - first + 1) }));

    return {
      first,
      last,
      findings: findings.list,
      counts: findings.counts,
      tally: { ...chain.tally, checkpoints: claims.length, twice },
      leaves,
      tiles: tree.level(8),
      ...(leaves > 0 && { root: tree.rootAt(leaves) }),
      parts,
      claims,
      intents: [...chain.intents],
      outcomes: [...chain.outcomes],
    };
  };
}

/** Reads checkpoints, and checks all but their roots. */
function claimsOf(
  rows: readonly CheckpointRow[],
  origin: string,
  key: NoteKey | undefined,
  second: NoteKey | undefined,
  findings: Findings,
): { readonly claims: { size: number; root: Buffer }[]; readonly twice: number } {
  let twice = 0;
  const claims: { size: number; root: Buffer }[] = [];
  for (const [size, note] of rows) {
    const name = `the checkpoint of ${size} records`;
    const opened = typeof note === "string" ? openNote(note, key, second) : { problem: "it is not a text" };
    if ("problem" in opened) {
      findings.add("integrity", "checkpoint", `${name} cannot be read: ${opened.problem}`, size);
      continue;
    }
    const { checkpoint, signed } = opened;
    if (checkpoint.origin !== origin || checkpoint.size !== size) {
      const what = `one of ${checkpoint.size} records of \`${checkpoint.origin}\``;
      findings.add("integrity", "checkpoint", `${name} is ${what}`, size);
    } else {
      claims.push({ size, root: checkpoint.root });
    }
    if (key !== undefined && signed !== "yes")
      findings.add("integrity", "checkpoint-signature", `${name} is not signed by the log's key`, size);
    if (opened.second === "yes") twice++;
    if (opened.second === "wrong")
      findings.add("integrity", "checkpoint-signature", `${name} has an ML-DSA-44 signature that is not right`, size);
  }
  return { claims, twice };
}
