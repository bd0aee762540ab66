import * as z from "zod";
import { bytes, duration } from "./scalars.ts";
import type { RunBudgets } from "./types.ts";

const about = (description: string, example: unknown) => ({ description, example });
const most = z.int().min(0).max(1_000_000).meta({ title: "whole number" });

/** Ceilings of one run in the sandbox, as they are written. */
export const runBudgets = z.strictObject({
  cpu: duration.prefault("1s").meta(about("Processor time.", "1s")),
  wall: duration.prefault("30s").meta(about("Time from start to end, waiting included.", "30s")),
  heap: bytes.prefault("64MiB").meta(about("Memory of its JavaScript.", "64MiB")),
  rss: bytes.prefault("256MiB").meta(about("Memory of its whole process. At least 96MiB.", "256MiB")),
  calls: most.default(100).meta(about("Calls of tools, fetches included.", 100)),
  callsPerTool: z
    .record(z.string(), most)
    .prefault({})
    .meta(about("Calls of single tools, by name.", { mail__send: 1 })),
  concurrent: z.int().min(1).max(256).default(8).meta(about("Calls at the same time.", 8)),
  writes: most.default(20).meta(about("Calls of tools with the effect `write`, and fetches but `GET` and `HEAD`.", 20)),
  destructive: most.default(5).meta(about("Calls of tools with the effect `destructive`.", 5)),
  cost: most.optional().meta(about("Cost units of its calls; a manifest says what a call costs.", 100)),
  depth: z.int().min(1).max(8).default(2).meta(about("Runs inside runs: `1` lets no run start another.", 2)),
  bytesIn: bytes.prefault("8MiB").meta(about("What goes in: its input and what its calls return.", "8MiB")),
  bytesOut: bytes.prefault("1MiB").meta(about("What comes out: its result and what its calls are sent.", "1MiB")),
  logBytes: bytes.prefault("256KiB").meta(about("What it logs.", "256KiB")),
  logLines: most.default(1000).meta(about("Lines that it logs, progress included.", 1000)),
});

/** The budgets that an input means. */
export function toRunBudgets({ cost, ...input }: z.output<typeof runBudgets>): RunBudgets {
  return { ...input, cost: cost ?? Number.MAX_SAFE_INTEGER };
}
