import { parentPort, workerData } from "node:worker_threads";
import { readingProblem } from "./database.ts";
import { type PagesTask, pageProblems } from "./pages.ts";
import { type RangeContext, type RangeResult, type RangeTask, rangeChecker } from "./range.ts";

/** What a thread is given to do. */
export type Task = RangeTask | PagesTask;

/** What it answers: a range's result, problems of the file's pages, or why it could not be done. */
export type Answer =
  | { readonly range: RangeResult }
  | { readonly pages: readonly string[] }
  | { readonly failed: string; readonly aspect: "integrity" | "unreadable" };

/** A function that does one task after another. */
export function taskRunner(context: RangeContext): (task: Task) => Answer {
  let check: ((task: RangeTask) => RangeResult) | undefined;
  return (task) => {
    try {
      if ("pages" in task) return { pages: pageProblems(task) };
      check ??= rangeChecker(context);
      return { range: check(task) };
    } catch (error) {
      const { aspect, problem } = readingProblem(error) ?? { aspect: "unreadable", problem: String(error) };
      return { failed: problem, aspect };
    }
  };
}

if (parentPort !== null && (workerData as { callgateVerify?: RangeContext } | null)?.callgateVerify !== undefined) {
  const port = parentPort;
  const run = taskRunner((workerData as { callgateVerify: RangeContext }).callgateVerify);
  port.on("message", (task: Task | undefined) => {
    if (task === undefined) port.close();
    else port.postMessage(run(task));
  });
}
