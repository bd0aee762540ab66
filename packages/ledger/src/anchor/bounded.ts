import { CallgateError } from "@callgate/core";
import type { Anchor } from "./anchor.ts";

/**
 * The same anchor, of which every call ends within `ms` milliseconds. One that has not come to an end by then may hold a thread of
 * the system's: until it has, the anchor is asked nothing more.
 */
export function boundedAnchor(anchor: Anchor, ms: number): Anchor {
  let stuck: Promise<unknown> | undefined;

  async function within<T>(call: () => Promise<T>): Promise<T> {
    if (stuck !== undefined) throw new CallgateError("ANCHOR_FAILED", "it still has not answered");
    const answer = call();
    const done = answer.then(
      () => "answered" as const,
      () => "answered" as const,
    );
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), ms);
    });
    const first = await Promise.race([done, late]);
    clearTimeout(timer);
    if (first === "answered") return await answer;
    stuck = done.then(() => {
      stuck = undefined;
    });
    throw new CallgateError("ANCHOR_FAILED", `it has not answered within ${ms} ms`);
  }

  return {
    name: anchor.name,
    compare: (log) => within(() => anchor.compare(log)),
    keep: (checkpoint, log, seen) => within(() => anchor.keep(checkpoint, log, seen)),
  };
}
