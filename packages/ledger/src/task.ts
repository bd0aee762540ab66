import { type ArchivedSegment, copySegments, dropSegments } from "./archive.ts";
import { dueSegments } from "./due.ts";
import type { Keep } from "./keeping.ts";
import { whileBusy } from "./retry.ts";
import { nextSeal, type Seal } from "./seal.ts";
import { settleKeys } from "./settle-keys.ts";
import type { Store } from "./store.ts";

/** What the writer does between commits. */
export type Task =
  | { readonly task: "seal" }
  | { readonly task: "shred"; readonly session: string }
  | { readonly task: "copy"; readonly before: number; readonly to: string }
  | { readonly task: "due"; readonly keep: Keep; readonly now: number }
  | { readonly task: "drop"; readonly segments: readonly ArchivedSegment[]; readonly to?: string };

/** What comes of each. */
export interface TaskResults {
  readonly seal: Seal | undefined;
  /** Whether the session had a key. */
  readonly shred: boolean;
  /** Segments that are not to be kept any longer, oldest first. */
  readonly due: readonly Seal[];
  readonly copy: readonly ArchivedSegment[];
  readonly drop: undefined;
}

export async function perform(store: Store, task: Task): Promise<TaskResults[Task["task"]]> {
  switch (task.task) {
    case "seal":
      return nextSeal(store.db, store.tree);
    case "shred":
      return await whileBusy(() => store.keys.shred(task.session));
    case "due":
      return dueSegments(store.db, task.keep, task.now);
    case "copy":
      return await whileBusy(() => copySegments(store.db, store.log, task.before, task.to));
    case "drop":
      // Keys first: once the records are gone nothing says whose keys they are.
      await whileBusy(() => settleKeys(store.db, store.keys, task.segments));
      await whileBusy(() => dropSegments(store.db, task.segments, task.to));
      await emptyLog(store);
      return undefined;
    default:
      return task satisfies never;
  }
}

/** How long commits wait for readers that still need the log of writes, in milliseconds. */
const EMPTYING_MS = 250;

/** What was taken out is not to stay in the log of writes. One that a reader goes on needing is emptied after the next segment. */
async function emptyLog({ db }: Store): Promise<void> {
  const empty = (): boolean => (db.pragma("wal_checkpoint(TRUNCATE)") as [{ readonly busy: number }])[0].busy === 0;
  const end = performance.now() + EMPTYING_MS;
  while (!empty() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
}
