import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { RangeContext } from "./range.ts";
import { type Answer, type Task, taskRunner } from "./worker.ts";

/** How long a thread may take to end by itself, in milliseconds. */
const STUCK_MS = 10_000;

/** Threads that do tasks; each task is begun in its turn. */
export interface Pool {
  readonly threads: number;
  run(task: Task): Promise<Answer>;
  end(): Promise<void>;
}

/** Starts `threads` threads; with one, tasks are done in this one. */
export function startPool(context: RangeContext, threads: number): Pool {
  if (threads <= 1) {
    const run = taskRunner(context);
    // Signals and progress have their turn before each task.
    return {
      threads: 1,
      run: async (task) => {
        await new Promise((resolve) => setImmediate(resolve));
        return run(task);
      },
      end: () => Promise.resolve(),
    };
  }
  // Under type stripping this file is `.ts`; bundled, it and the worker beside it are `.js`.
  const url = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./verify-worker.js", import.meta.url);
  const all = Array.from({ length: threads }, () => new Thread(url, context));
  const idle = [...all];
  const waiting: ((thread: Thread) => void)[] = [];
  return {
    threads,
    async run(task) {
      const thread = idle.shift() ?? (await new Promise<Thread>((resolve) => waiting.push(resolve)));
      try {
        return await thread.run(task);
      } finally {
        const next = waiting.shift();
        if (next === undefined) idle.push(thread);
        else next(thread);
      }
    },
    async end() {
      await Promise.all(all.map((thread) => thread.end()));
    },
  };
}

/**
 * The answers to tasks, in the order of the tasks. No more than a few tasks a thread are ahead of the one whose answer is due,
 * so that memory stays small.
 */
export async function* inOrder<T extends Task>(
  pool: Pool,
  tasks: Iterable<T>,
): AsyncGenerator<{ task: T; answer: Answer }> {
  const queue: { readonly task: T; readonly answer: Promise<Answer> }[] = [];
  const iterator = tasks[Symbol.iterator]();
  for (let next = iterator.next(); ; ) {
    for (; !next.done && queue.length < pool.threads * 4; next = iterator.next())
      queue.push({ task: next.value, answer: pool.run(next.value) });
    const first = queue.shift();
    if (first === undefined) return;
    yield { task: first.task, answer: await first.answer };
  }
}

/** A worker thread that does one task at a time. */
class Thread {
  readonly #worker: Worker;
  #resolve: ((answer: Answer) => void) | undefined;
  #dead: string | undefined;

  constructor(url: URL, context: RangeContext) {
    this.#worker = new Worker(url, { workerData: { callgateVerify: context }, name: "callgate-verify" });
    this.#worker.on("message", (answer: Answer) => this.#answer(answer));
    this.#worker.on("error", (error) => this.#fail(error instanceof Error ? error.message : String(error)));
    this.#worker.on("exit", () => this.#fail("the thread ended"));
  }

  run(task: Task): Promise<Answer> {
    if (this.#dead !== undefined) return Promise.resolve({ failed: this.#dead, aspect: "unreadable" });
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#worker.postMessage(task);
    });
  }

  /** Lets the thread end by itself: one that is ended within SQLite can take the process with it. */
  async end(): Promise<void> {
    if (this.#dead !== undefined) return;
    const gone = once(this.#worker, "exit");
    this.#worker.postMessage(undefined);
    const stuck = setTimeout(() => void this.#worker.terminate(), STUCK_MS);
    await gone;
    clearTimeout(stuck);
  }

  #fail(problem: string): void {
    this.#dead ??= problem;
    this.#answer({ failed: this.#dead, aspect: "unreadable" });
  }

  #answer(answer: Answer): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    resolve?.(answer);
  }
}
