/** Why a run ended without a value. */
export const RUN_ERRORS = [
  "CPU_TIMEOUT",
  "WALL_TIMEOUT",
  "MEMORY_LIMIT",
  "CALL_BUDGET",
  "OUTPUT_LIMIT",
  "LOG_LIMIT",
  "GUEST_ERROR",
  "POLICY_DENIED",
  /** A call waits for a person's answer; said by the broker. */
  "HELD",
  "WORKER_LOST",
  "CANCELLED",
] as const;
export type RunErrorCode = (typeof RUN_ERRORS)[number];

/** What a run used, up to its end however it ended. */
export interface Usage {
  /** Processor milliseconds; for a guest that was killed, as of the last sample. */
  readonly cpuMs: number;
  readonly wallMs: number;
  /** The largest sample of resident memory, in megabytes; 0 if the run was over before the first sample. */
  readonly peakRssMb: number;
  readonly calls: number;
  readonly callsByTool: Readonly<Record<string, number>>;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly logBytes: number;
  readonly logLines: number;
}

export interface RunError {
  readonly code: RunErrorCode;
  readonly message: string;
  /** The guest's own stack, for `GUEST_ERROR`. It is the guest's word: MUST NOT be trusted. */
  readonly stack?: string;
}

/** `value` is JSON text written by the guest: valid JSON, of any shape. */
export type RunResult =
  | { readonly ok: true; readonly value: string; readonly usage: Usage }
  | { readonly ok: false; readonly error: RunError; readonly usage: Usage };
