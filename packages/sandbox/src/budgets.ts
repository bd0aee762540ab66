import { CallgateError } from "@callgate/core";

/** Ceilings of one run. Every one is enforced outside the guest's process, but `heapMb`, which the isolate enforces first. */
export interface Budgets {
  /** Milliseconds of processor time, all threads of the guest's process counted. Sampled each 10 ms. */
  readonly cpuMs: number;
  /** Milliseconds from the start of the run, waiting for tools included. */
  readonly wallMs: number;
  /** Megabytes of JavaScript heap. */
  readonly heapMb: number;
  /** Megabytes of resident memory of the whole process: what a heap limit does not see. */
  readonly rssMb: number;
  /** Tool calls in all, governed fetches included. */
  readonly calls: number;
  /** Tool calls by name (`server__tool`); a name that is absent has no limit of its own. */
  readonly callsPerTool: Readonly<Record<string, number>>;
  /** Bytes of one call's arguments: what the broker parses in one go. */
  readonly callBytes: number;
  /** Tool calls under way at once. */
  readonly concurrentCalls: number;
  /** Bytes of input and of tool results that go in. */
  readonly bytesIn: number;
  /** Bytes of tool arguments and of the result that come out. */
  readonly bytesOut: number;
  /** Bytes of log text and of progress text. */
  readonly logBytes: number;
  /** Log lines and progress notes. */
  readonly logLines: number;
  /** Timers waiting at once. */
  readonly timers: number;
}

/** What a run gets where nothing is said. */
export const DEFAULT_BUDGETS: Budgets = Object.freeze({
  cpuMs: 1_000,
  wallMs: 30_000,
  heapMb: 64,
  rssMb: 256,
  calls: 100,
  callsPerTool: Object.freeze({}),
  callBytes: 256 * 1024,
  concurrentCalls: 8,
  bytesIn: 8 * 1024 * 1024,
  bytesOut: 4 * 1024 * 1024,
  logBytes: 256 * 1024,
  logLines: 1_000,
  timers: 256,
});

/** Where a smaller number would make no sense, or a process could not live. */
const LEAST: Partial<Record<keyof Budgets, number>> = {
  heapMb: 8,
  rssMb: 96,
  cpuMs: 10,
  wallMs: 10,
  concurrentCalls: 1,
};

/** The budgets with defaults filled in. Throws `SANDBOX_BUDGET` for what is no budget. */
export function budgetsOf(given: Partial<Budgets> = {}): Budgets {
  const budgets = { ...DEFAULT_BUDGETS, ...given };
  for (const [name, value] of Object.entries(budgets)) {
    if (name === "callsPerTool") continue;
    const least = LEAST[name as keyof Budgets] ?? 0;
    if (typeof value !== "number" || !Number.isFinite(value) || value < least)
      throw new CallgateError("SANDBOX_BUDGET", `budget \`${name}\` is \`${JSON.stringify(value)}\``, {
        help: `give a number of at least ${least}`,
      });
  }
  return budgets;
}
