import type { GuestAnswer, GuestCall, RunRequest, RunResult, Sandbox } from "@callgate/sandbox";
import type { RunBudgets } from "../config/index.ts";
import { aside } from "../steps/aside.ts";
import type { Life } from "../steps/life.ts";
import { wantsLog } from "../steps/wants-log.ts";
import { engineBudgets } from "./engine-budgets.ts";
import type { GuestRun } from "./guest-run.ts";

/** What is run for a call. */
export interface GuestJob
  extends Pick<RunRequest, "kind" | "code" | "entry" | "input" | "tools" | "fetch" | "seed" | "now"> {
  readonly run: GuestRun;
  readonly onCall: (call: GuestCall, signal: AbortSignal) => Promise<GuestAnswer>;
}

/** Runs code for a call: what it says on the way goes to the agent's client, and a call that is cancelled ends it. */
export async function runGuest(
  life: Life,
  sandbox: Sandbox,
  { run, onCall, ...job }: GuestJob,
): Promise<{ readonly result: RunResult; readonly logs: readonly string[] }> {
  const { exchange } = life;
  const stop = new AbortController();
  exchange.onCancel = () => stop.abort();
  if (exchange.cancelled) stop.abort();
  const logs: string[] = [];
  try {
    const result = await sandbox.run({
      ...job,
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

/** Why a run gave no value, as the record says it: a leaf can be neither redacted nor shredded, so the guest's words stay out of it. */
export function recordedError({ code, message }: { code: string; message: string }): { code: string; message: string } {
  const own = code === "GUEST_ERROR" || code === "POLICY_DENIED" ? "the code ended with an error of its own" : message;
  return { code: `sandbox/${code}`, message: own };
}
