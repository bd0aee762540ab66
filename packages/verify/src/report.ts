import type { CosignedReport } from "./cosigned.ts";
import type { Finding } from "./finding.ts";
import type { AnchorReport } from "./judge.ts";

/** How a check ends. The exit code of the command is its place in this list. */
export const VERDICTS = ["clean", "tampered", "incomplete", "unreadable"] as const;
export type Verdict = (typeof VERDICTS)[number];

/** What was found of a ledger. The shape is stable: `v` changes with it. */
export interface Report {
  readonly v: 1;
  readonly verdict: Verdict;
  /** 0 clean, 1 tampered, 2 incomplete, 3 unreadable. */
  readonly exitCode: number;
  /** The file that was checked. */
  readonly file: string;
  /** The log's id; absent if it could not be read. */
  readonly log?: string;
  /** Whether what is there is as it was written: `unknown` if a part of it could not be read. */
  readonly integrity: "intact" | "broken" | "unknown";
  /**
   * Whether all that was written is there. `complete`: all that an anchor has seen, up to `completeTo`; `unknown` where nothing
   * outside the folder was asked.
   */
  readonly completeness: "complete" | "incomplete" | "unknown";
  readonly completeTo?: number;
  /** The finding that shows at the lowest record; absent if there is none. */
  readonly first?: Finding;
  readonly findings: readonly Finding[];
  /** How many there are of each code, those that are not listed included. */
  readonly findingCounts: Readonly<Record<string, number>>;
  readonly head?: { readonly size: number; readonly root: string };
  /** The key that checkpoints were checked against, and where it is from. */
  readonly key?: { readonly vkey: string; readonly from: "given" | "folder" };
  /** The same of ML-DSA-44, if the log has one: its key's id, which stands in every signature. */
  readonly secondKey?: { readonly id: string; readonly from: "given" | "folder" };
  readonly anchors: readonly AnchorReport[];
  /** What witnesses signed and is kept beside the ledger. */
  readonly cosigned: readonly CosignedReport[];
  readonly counts: Counts;
  /** What was not looked at, and why. */
  readonly unchecked: readonly string[];
  readonly threads: number;
  readonly ms: number;
}

export interface Counts {
  readonly records: number;
  /** Records of which only the hash was there: those that were archived, and those that the ledger says were deleted. */
  readonly archived: number;
  readonly deleted: number;
  readonly checkpoints: number;
  readonly tiles: number;
  readonly payloads: number;
  /** Payloads that were decrypted, and those whose key is gone. */
  readonly opened: number;
  readonly shredded: number;
  readonly seals: number;
  readonly clocks: number;
  /** Intents without an outcome: calls under way, or that the broker did not live to see the end of. No fault. */
  readonly openIntents: number;
}

export const NO_COUNTS: Counts = {
  records: 0,
  archived: 0,
  deleted: 0,
  checkpoints: 0,
  tiles: 0,
  payloads: 0,
  opened: 0,
  shredded: 0,
  seals: 0,
  clocks: 0,
  openIntents: 0,
};

/** The verdict on what was found: a change weighs more than a part that cannot be read, and that more than a gap. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  const has = (aspect: Finding["aspect"]): boolean => findings.some((finding) => finding.aspect === aspect);
  if (has("integrity")) return "tampered";
  if (has("unreadable")) return "unreadable";
  return has("completeness") ? "incomplete" : "clean";
}

/** Findings on several records that say all of them are wrong; the others say that one of them is. */
const ON_ALL = new Set(["missing", "checkpoint-missing", "anchor-short"]);

/** The finding that shows at the lowest record, changes before all else; one that is on no record only where there is no other. */
export function firstOf(findings: readonly Finding[]): Finding | undefined {
  const changes = findings.filter(({ aspect }) => aspect === "integrity");
  const place = ({ code, seq, to }: Finding): number =>
    (ON_ALL.has(code) ? seq : (to ?? seq)) ?? Number.POSITIVE_INFINITY;
  return (changes.length > 0 ? changes : findings).reduce<Finding | undefined>(
    (first, finding) => (first === undefined || place(finding) < place(first) ? finding : first),
    undefined,
  );
}
