import type { Database } from "./database.ts";
import type { Findings } from "./finding.ts";
import { TILE } from "./merkle.ts";
import type { VerifyOptions } from "./options.ts";
import { inOrder, startPool } from "./pool.ts";
import { RANGE, type RangeContext, type RangeTask } from "./range.ts";
import type { Snapshot } from "./snapshot.ts";
import { Whole } from "./whole.ts";

/** Checks all records, and the file's pages beside them. */
export async function checkRecords(
  context: RangeContext,
  db: Database,
  snapshot: Snapshot,
  threads: number,
  options: VerifyOptions,
  findings: Findings,
): Promise<Whole> {
  const whole = new Whole(findings);
  const pool = startPool(context, threads);
  try {
    const pages =
      options.skipIndexes === true
        ? undefined
        : pool.run({
            pages: context.path,
            ...(context.fileKey !== undefined && { fileKey: context.fileKey }),
          });
    for await (const { task, answer } of inOrder(pool, ranges(db, snapshot, context.segments.length > 0, findings))) {
      if ("range" in answer) whole.add(answer.range);
      else if ("failed" in answer)
        findings.add(
          answer.aspect,
          "records",
          `records ${task.first} to ${task.last}: ${answer.failed}`,
          task.first,
          task.last,
        );
      options.onProgress?.({ done: task.last, total: snapshot.most, findings: findings.total });
    }
    const answer = await pages;
    if (answer !== undefined && "pages" in answer)
      for (const problem of answer.pages)
        findings.add("integrity", "pages", `SQLite finds the file damaged: ${problem}`);
    else if (answer !== undefined && "failed" in answer)
      findings.add(answer.aspect, "pages", `the file: ${answer.failed}`);
  } finally {
    await pool.end();
  }
  return whole;
}

/** The ranges in which there is something; a stretch of them in which there is nothing is reported and passed over. */
function* ranges(db: Database, { most }: Snapshot, segments: boolean, findings: Findings): Generator<RangeTask> {
  const next = db.rows("SELECT min(seq) FROM record WHERE seq >= ?");
  const tile = db.rows("SELECT 1 FROM tile WHERE level = 0 AND idx >= ? AND idx < ?");
  for (let first = 1; first <= most; ) {
    const last = Math.min(first + RANGE - 1, most);
    const [seq] = next.get(first) as unknown as [number];
    const index = (first - 1) / TILE;
    if (seq <= last || segments || tile.get(index, index + RANGE / TILE) !== undefined) {
      yield { first, last };
      first += RANGE;
    } else {
      const resume = seq - ((seq - 1) % RANGE);
      findings.missing(first, resume - 1);
      first = resume;
    }
  }
}

/** What stands before the first record or after the newest. */
export function checkEnds({ least, most, newestCheckpoint, strays }: Snapshot, findings: Findings): void {
  if (least < 1 && most !== 0) findings.add("integrity", "order", `there is a record ${least}`, least);
  if (newestCheckpoint > most) {
    const problem = `a checkpoint was made of ${newestCheckpoint} records and there are ${most}: the end was cut off`;
    findings.add("integrity", "missing", problem, most + 1, newestCheckpoint);
  } else if (newestCheckpoint < most) {
    const problem = `no checkpoint covers the newest records, from ${newestCheckpoint + 1} on`;
    findings.add("integrity", "checkpoint-missing", problem, newestCheckpoint + 1, most);
  }
  for (const seq of strays) findings.add("integrity", "payload", "there is a payload without a record", seq);
}
