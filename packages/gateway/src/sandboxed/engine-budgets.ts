import type { Budgets } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";

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
