import { messageOf } from "@callgate/core";
import type { GuestAnswer, GuestCall, RunError, RunErrorCode, RunRequest, RunResult } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";
import { aside } from "../steps/aside.ts";
import type { Life } from "../steps/life.ts";
import type { GuestEnd } from "../steps/run.ts";
import { wantsLog } from "../steps/wants-log.ts";
import { UpstreamFailure } from "../upstream/peer.ts";
import { engineBudgets } from "./engine-budgets.ts";
import type { GuestRun } from "./guest-run.ts";
import type { SandboxPool } from "./pool.ts";

/** What is run for a call. */
export interface GuestJob
  extends Pick<RunRequest, "kind" | "code" | "entry" | "input" | "tools" | "fetch" | "seed" | "now"> {
  readonly run: GuestRun;
  readonly onCall: (call: GuestCall, signal: AbortSignal) => Promise<GuestAnswer>;
}

/** Runs code for a call: what it says on the way goes to the agent's client, and a call that is cancelled ends it. */
export async function runGuest(
  life: Life,
  pool: SandboxPool,
  { run, onCall, ...job }: GuestJob,
): Promise<{ readonly result: RunResult; readonly logs: readonly string[] }> {
  const { exchange } = life;
  const stop = new AbortController();
  exchange.onCancel = () => stop.abort();
  if (exchange.cancelled) stop.abort();
  const logs: string[] = [];
  try {
    const result = await pool.run(life.grant.principal.agent, run.depth, {
      ...job,
      nested: run.depth > 1,
      budgets: engineBudgets(run.budgets),
      onCall,
      onLog({ level, text }) {
        logs.push(text);
        const shown = { level: level === "warn" ? "warning" : level, logger: life.request.name, data: text };
        if (!wantsLog(life, shown.level)) return;
        const passed = aside(life, "notifications/message", shown);
        if (passed) exchange.notify("notifications/message", passed);
      },
      onProgress(note) {
        if (exchange.progressToken === undefined) return;
        const passed = aside(life, "notifications/progress", note);
        if (passed) exchange.notify("notifications/progress", { ...passed, progressToken: exchange.progressToken });
      },
      signal: stop.signal,
    });
    // One that waits for a person goes on later, and spends in that run's books.
    if (result.ok || result.error.code !== "HELD") exchange.within?.ended(run);
    return { result, logs };
  } finally {
    exchange.onCancel = undefined;
  }
}

/** The budgets of a run, with the wall time that the call has. */
export function budgetsFor(life: Life, budgets: RunBudgets): RunBudgets {
  const { tool, reservation } = life;
  const wall = Math.min(
    budgets.wall,
    tool?.upstream.config.timeout ?? Number.POSITIVE_INFINITY,
    tool?.limits.wall ?? Number.POSITIVE_INFINITY,
    reservation?.wall ?? Number.POSITIVE_INFINITY,
    // A run inside a run ends before the one that waits for it.
    life.exchange.within?.left ?? Number.POSITIVE_INFINITY,
  );
  return { ...budgets, wall };
}

/** What a run used, for the agent and the record: whole numbers, and no text of the guest's. */
export function usageOf({ usage }: RunResult, run: GuestRun): Record<string, unknown> {
  const { cpuMs, wallMs, peakRssMb, calls, bytesIn, bytesOut, logBytes, logLines } = usage;
  return {
    cpuMs: Math.round(cpuMs),
    wallMs: Math.round(wallMs),
    ...(peakRssMb > 0 && { peakRssMb }),
    calls,
    ...run.spent,
    bytesIn,
    bytesOut,
    ...(logLines > 0 && { logBytes, logLines }),
  };
}

/** What the record says of each end. A leaf can be neither redacted nor shredded, and a guest can put its own words into any error. */
const RECORDED: Readonly<Record<RunErrorCode, string>> = {
  CPU_TIMEOUT: "the code used more processor time than it may",
  WALL_TIMEOUT: "the run took longer than it may",
  MEMORY_LIMIT: "the code took more memory than it may",
  CALL_BUDGET: "the code made more calls than it may",
  OUTPUT_LIMIT: "more went in or came out than may",
  LOG_LIMIT: "the code logged more than it may",
  GUEST_ERROR: "the code ended with an error of its own",
  POLICY_DENIED: "the code ended with the refusal of one of its calls",
  WORKER_LOST: "the worker of the run was lost",
  CANCELLED: "the call was cancelled",
  HELD: "a call of the run waits for a person",
};

/** How a run without a value ended, for the record. */
export function endOf({ code }: RunError, { end }: GuestRun): Pick<GuestEnd, "error" | "status"> {
  const status = code === "WALL_TIMEOUT" ? "timeout" : code === "CANCELLED" ? "cancelled" : "error";
  // What the broker's own books say is its own word.
  const message = end?.code === code && code === "CALL_BUDGET" ? end.message : RECORDED[code];
  return { error: { code: `sandbox/${code}`, message }, status };
}

/** What kept a run from being made. */
export function failureOf(error: unknown, told: string): UpstreamFailure {
  return error instanceof UpstreamFailure ? error : new UpstreamFailure("unreachable", messageOf(error), error, told);
}
