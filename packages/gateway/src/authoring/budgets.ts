import { CallgateError } from "@callgate/core";
import type { Budgets } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";
import { runBudgets, toRunBudgets } from "../config/run-budgets.ts";

const MIB = 1_048_576;
const LEAST = { ms: 10, heapMb: 8, rssMb: 96 } as const;

/** A manifest's budgets as the engine takes them, which knows no effects and no cost. */
export function engineBudgets(budgets: RunBudgets): Partial<Budgets> {
  const { cpu, wall, heap, rss, calls, callsPerTool, concurrent, bytesIn, bytesOut, logBytes, logLines } = budgets;
  return {
    cpuMs: Math.max(LEAST.ms, cpu),
    wallMs: Math.max(LEAST.ms, wall),
    heapMb: Math.max(LEAST.heapMb, Math.floor(heap / MIB)),
    rssMb: Math.max(LEAST.rssMb, Math.floor(rss / MIB)),
    calls,
    callsPerTool,
    concurrentCalls: concurrent,
    bytesIn,
    bytesOut,
    logBytes,
    logLines,
  };
}

/** Budgets as they are written, with the defaults for those that are not. Throws `BAD_ARGUMENT` for what is no budget. */
export function readBudgets(written: Readonly<Record<string, unknown>>): RunBudgets {
  const read = runBudgets.safeParse(written);
  if (read.success) return toRunBudgets(read.data);
  const [issue] = read.error.issues;
  const name = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path[0];
  throw new CallgateError("BAD_ARGUMENT", `\`${String(name)}\` is no budget that can be set so: ${issue?.message}`, {
    help: "write it as a manifest does: `cpu=500ms`, `heap=32MiB`, `calls=10`",
  });
}

/** Budgets with those that are written in place of their own. Throws `BAD_ARGUMENT`. */
export function withBudgets(budgets: RunBudgets, written: Readonly<Record<string, unknown>>): RunBudgets {
  const read = readBudgets(written);
  const given = Object.keys(written).map((key) => [key, read[key as keyof RunBudgets]]);
  return { ...budgets, ...(Object.fromEntries(given) as Partial<RunBudgets>) };
}
