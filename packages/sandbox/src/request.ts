import type { Budgets } from "./budgets.ts";
import type { RunError } from "./result.ts";

/** One governed call that the guest asks for. A guest's `fetch` is the call `callgate`/`fetch`. */
export interface GuestCall {
  /** Counts from 1 within the run; unique. */
  readonly id: number;
  readonly server: string;
  readonly name: string;
  /** As `parseJson` gives them: whole numbers beyond 2^53 are BigInts. */
  readonly args: unknown;
  /** Bytes of the arguments' JSON text. */
  readonly bytes: number;
}

/**
 * What comes of a call. `result`: a JSON value, BigInts allowed. `resultText`: JSON text, handed on untouched; it MUST be valid.
 * `error`: an exception in the guest, a `ToolError`. `end`: the guest gets no answer; the run ends at once and that is its error.
 */
export type GuestAnswer =
  | { readonly result: unknown }
  | { readonly resultText: string }
  | { readonly error: { readonly code: string; readonly message: string; readonly data?: unknown } }
  | { readonly end: RunError };

export interface RunRequest {
  /** `module`: one bundled ES module. `script`: the body of an async function with `input` in scope. */
  readonly kind: "module" | "script";
  /** JavaScript; see `stripTypes` for TypeScript. */
  readonly code: string;
  /** The module's export to call. Default `default`. */
  readonly entry?: string;
  /** A JSON value, BigInts allowed. */
  readonly input?: unknown;
  readonly budgets?: Partial<Budgets>;
  /** The tools the guest sees as `tools.server.name`: tool names by server. What is not here is denied unasked. */
  readonly tools?: Readonly<Record<string, readonly string[]>>;
  /** Whether the guest may ask for a fetch at all; which hosts is for `onCall` to decide. */
  readonly fetch?: boolean;
  /** Makes a governed call. MUST enter the same call path as any other call. */
  readonly onCall?: (call: GuestCall, signal: AbortSignal) => Promise<GuestAnswer>;
  readonly onLog?: (line: { readonly level: "info" | "warn" | "error" | "debug"; readonly text: string }) => void;
  readonly onProgress?: (note: { progress: number; total?: number; message?: string }) => void;
  /** Makes `Math.random` and `crypto` repeatable. An unsigned 32-bit integer. */
  readonly seed?: number;
  /** Freezes the guest's clock, in Unix milliseconds. */
  readonly now?: number;
  readonly signal?: AbortSignal;
  /** Whether another run waits for this one: it MUST NOT wait for a worker that only that one could free, so it may go beyond `maxWorkers`. */
  readonly nested?: boolean;
}

/** A script as the expression that the worker compiles. Line 1 of the script is line 2 of it. */
export function wrapScript(code: string): string {
  return `(async (input) => {"use strict";\n${code}\n})`;
}
