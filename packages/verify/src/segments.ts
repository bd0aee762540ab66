import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "./database.ts";
import type { FileKeys } from "./encrypted.ts";
import type { Findings } from "./finding.ts";
import type { Seal } from "./seal.ts";
import { sealedSizes } from "./snapshot.ts";

const ENDING = ".segment.db";

/** A file of records that were archived. */
export interface Segment {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** As in a `Snapshot`. */
  readonly sealedSizes: readonly number[];
}

/** The archived segments in a folder. */
export function findSegments(
  folder: string | undefined,
  fileKey: FileKeys | undefined,
  findings: Findings,
): readonly Segment[] {
  if (folder === undefined) return [];
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(ENDING));
  } catch (error) {
    findings.add("unreadable", "segment", `the segments cannot be read: ${(error as Error).message}`);
    return [];
  }
  if (names.length === 0) findings.add("unreadable", "segment", `there is no segment in \`${folder}\``);
  return names.sort().flatMap((name) => {
    const path = join(folder, name);
    try {
      return [readSegment(path, fileKey)];
    } catch (error) {
      findings.add("unreadable", "segment", `the segment \`${path}\` cannot be read: ${(error as Error).message}`);
      return [];
    }
  });
}

function readSegment(path: string, fileKey: FileKeys | undefined): Segment {
  const db = openDatabase(path, fileKey);
  try {
    const bounds = "SELECT coalesce(min(seq), 0), coalesce(max(seq), 0), count(*) FROM record";
    const [from, to, count] = db.rows(bounds).get() as unknown as [number, number, number];
    return { path, from, to, count, sealedSizes: sealedSizes(db) };
  } finally {
    db.close();
  }
}

/** Each segment MUST hold the records that one seal closes, no more and no less. */
export function checkSegments(segments: readonly Segment[], seals: readonly Seal[], findings: Findings): void {
  for (const { path, from, to, count } of segments) {
    if (seals.some((seal) => seal.from === from && seal.to === to) && count === to - from + 1) continue;
    findings.add("integrity", "segment", `the segment \`${path}\` does not hold what was sealed`, from, to);
  }
}
