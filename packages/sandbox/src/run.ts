import { CallgateError, isObject, messageOf, parseJson, stringifyJson } from "@callgate/core";
import type { Budgets } from "./budgets.ts";
import type { Child, Ending, Sample } from "./child.ts";
import { needsExact } from "./exact.ts";
import { FRAME } from "./frame.ts";
import type { GuestAnswer, RunRequest } from "./request.ts";
import type { RunError, RunErrorCode, RunResult } from "./result.ts";

/** Characters of a failure or a progress note that the broker parses. */
const LARGEST_FAILURE = 65_536;
/** Bytes of arguments that the broker parses exactly: it must not be kept from everything else for long. */
const LARGEST_EXACT = 65_536;
const LEVELS = ["info", "warn", "error", "debug"] as const;

const GRACE_MS = 200;
/** What a worker holds before a guest does anything. */
const IDLE_RSS_MB = 50;
/** Why a call's signal is aborted. One for all: making one costs more than the rest of a run's end. */
const OVER = new DOMException("the run is over", "AbortError");

/** One run: the books that the broker keeps on a guest. Every limit but the heap is enforced here, by a kill. */
export class Run {
  onFree: () => void = () => {};
  readonly #request: RunRequest;
  readonly #budgets: Budgets;
  #child: Child | undefined;
  readonly #begun = performance.now();
  readonly #settled = Promise.withResolvers<RunResult>();
  /** Made with the first call: most runs make none. */
  #abort: AbortController | undefined;
  #stopWhenAsked: (() => void) | undefined;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  readonly #callsByTool: Record<string, number> = Object.create(null) as Record<string, number>;
  #calls = 0;
  #open = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #logBytes = 0;
  #logLines = 0;
  #cpuBefore = 0;
  #cpuMs = 0;
  #peakRssMb = 0;
  #sampled = 0;
  #over = false;
  #denied = false;
  #freed = false;
  #wall: NodeJS.Timeout | undefined;

  /** Its time begins here: what it waits for a worker is its own. */
  constructor(request: RunRequest, budgets: Budgets) {
    this.#request = request;
    this.#budgets = budgets;
  }

  start(child: Child, digest: string, code: string): Promise<RunResult> {
    this.#child = child;
    this.#sampled = performance.now();
    const { bytesIn, bytesOut, heapMb, wallMs, logBytes } = this.#budgets;
    this.#cpuBefore = child.sample()?.cpuMs ?? 0;
    child.listener = {
      frame: (kind, id, body) => {
        try {
          this.#frame(kind, id, body);
        } catch {
          // What a worker says that is no sentence of ours MUST NOT reach the broker as an exception.
          this.#end("WORKER_LOST", "the worker spoke out of turn");
        }
      },
      gone: (how) => this.#gone(how),
      largest: () => Math.max(bytesOut, logBytes) + 4096,
    };
    let input: string;
    try {
      input = stringifyJson(this.#request.input ?? null) ?? "null";
    } catch (cause) {
      this.#free();
      throw new CallgateError("SANDBOX_INPUT", `the input is no JSON: ${messageOf(cause)}`);
    }
    this.#bytesIn = Buffer.byteLength(input);
    if (this.#bytesIn > bytesIn) {
      this.#settle({ code: "OUTPUT_LIMIT", message: `the input has ${this.#bytesIn} bytes, more than ${bytesIn}` });
      this.#free();
      return this.#settled.promise;
    }
    const stop = (): void => this.#stop({ code: "CANCELLED", message: "the caller cancelled the run" });
    this.#request.signal?.addEventListener("abort", stop, { once: true });
    this.#stopWhenAsked = stop;
    const late = { code: "WALL_TIMEOUT", message: `the run took more than ${wallMs} ms` } as const;
    this.#wall = setTimeout(() => this.#stop(late), Math.max(1, wallMs - (performance.now() - this.#begun)));
    if (!child.codes.has(digest)) {
      child.codes.add(digest);
      if (child.codes.size > 64) child.codes.delete(child.codes.values().next().value as string);
      child.send(FRAME.code, 0, `${digest}\n${code}`);
    }
    const seed = this.#request.seed;
    const config = {
      ...(seed === undefined ? {} : { seed: [seed >>> 0, 0x9e3779b9, 0x243f6a88, 0xb7e15162] }),
      seeded: seed !== undefined,
      now: this.#request.now ?? null,
      outLimit: bytesOut,
      longest: Math.max(bytesOut, logBytes),
      tools: this.#request.tools ?? {},
    };
    const job = {
      digest,
      script: this.#request.kind === "script",
      entry: this.#request.entry ?? "default",
      heapMb,
      largest: Math.max(bytesOut, logBytes),
      config,
    };
    child.send(FRAME.run, 0, `${JSON.stringify(job)}\n${input}`);
    if (this.#request.signal?.aborted) stop();
    return this.#settled.promise;
  }

  /** Whether the guest has something to wait for: a call under way, or a timer. */
  get waits(): boolean {
    return this.#open > 0 || this.#timers.size > 0;
  }

  /** A run that no worker took. */
  unstarted(error: RunError): RunResult {
    return { ok: false, error, usage: this.#usage() };
  }

  /** Called by the watchdog, on the broker's clock. Where the system tells nothing, a guest that waits for nothing computes. */
  sample(now: Sample | undefined): void {
    if (this.#freed) return;
    const time = performance.now();
    if (now !== undefined) this.#cpuMs = Math.max(this.#cpuMs, now.cpuMs - this.#cpuBefore);
    else if (!this.waits) this.#cpuMs += time - this.#sampled;
    this.#sampled = time;
    if (now !== undefined && now.rssMb > this.#peakRssMb) this.#peakRssMb = now.rssMb;
    if (this.#cpuMs > this.#budgets.cpuMs)
      this.#end("CPU_TIMEOUT", `the code used more than ${this.#budgets.cpuMs} ms of processor time`);
    else if (now !== undefined && now.rssMb > this.#budgets.rssMb)
      this.#end("MEMORY_LIMIT", `the process holds more than ${this.#budgets.rssMb} MB`);
  }

  #frame(kind: number, id: number, body: Buffer): void {
    if (kind === FRAME.ready && this.#over) return this.#free();
    if (this.#over) return;
    const text = body.toString("utf8");
    if (kind === FRAME.call) this.#call(id, text, body.length);
    else if (kind === FRAME.log || kind === FRAME.progress) this.#log(kind, id, text, body.length);
    else if (kind === FRAME.timer) this.#timer(id, Number(text));
    else if (kind === FRAME.untimer) {
      clearTimeout(this.#timers.get(id));
      this.#timers.delete(id);
    } else if (kind === FRAME.done) {
      this.#cpuMs = id / 1000;
      this.#bytesOut += body.length;
      if (this.#bytesOut > this.#budgets.bytesOut) return this.#settle(this.#tooMuch());
      if (this.#cpuMs > this.#budgets.cpuMs)
        return this.#settle({
          code: "CPU_TIMEOUT",
          message: `the code used more than ${this.#budgets.cpuMs} ms of processor time`,
        });
      this.#settle(text);
    } else if (kind === FRAME.fail || kind === FRAME.fault) {
      if (id > 0) this.#cpuMs = id / 1000;
      this.#settle(this.#failure(text, kind === FRAME.fault));
    } else this.#end("WORKER_LOST", "the worker spoke out of turn");
  }

  #call(id: number, text: string, bytes: number): void {
    const cut = text.indexOf("\n");
    const cut2 = text.indexOf("\n", cut + 1);
    const [server, name] = [text.slice(0, cut), text.slice(cut + 1, cut2)];
    const { calls, callsPerTool, callBytes, concurrentCalls, bytesOut } = this.#budgets;
    const qualified = `${server}__${name}`;
    this.#bytesOut += bytes;
    if (this.#bytesOut > bytesOut) return this.#endWith(this.#tooMuch());
    const size = bytes - (cut2 + 1);
    if (size > callBytes) return this.#end("OUTPUT_LIMIT", `a call's arguments have more than ${callBytes} bytes`);
    const json = text.slice(cut2 + 1);
    if (size > LARGEST_EXACT && needsExact(json)) {
      const message = `a call's arguments with a whole number beyond 2^53 have more than ${LARGEST_EXACT} bytes`;
      return this.#end("OUTPUT_LIMIT", message);
    }
    if (this.#calls + 1 > calls) return this.#end("CALL_BUDGET", `the code made more than ${calls} calls`);
    const known =
      server === "callgate" && name === "fetch"
        ? this.#request.fetch === true
        : Object.hasOwn(this.#request.tools ?? {}, server) && this.#request.tools?.[server]?.includes(name);
    // Names are the guest's text: what is unknown MUST NOT grow the books.
    if (known !== true) {
      this.#calls++;
      return this.#answer(id, { error: { code: "POLICY_DENIED", message: "this tool is not available here" } });
    }
    const used = (this.#callsByTool[qualified] ?? 0) + 1;
    const most = Object.hasOwn(callsPerTool, qualified)
      ? (callsPerTool[qualified] as number)
      : Number.POSITIVE_INFINITY;
    if (used > most) return this.#end("CALL_BUDGET", `the code made more than ${most} calls of \`${qualified}\``);
    if (this.#open + 1 > concurrentCalls)
      return this.#end("CALL_BUDGET", `the code made more than ${concurrentCalls} calls at once`);
    let args: unknown;
    try {
      args = parseJson(json);
    } catch {
      return this.#end("GUEST_ERROR", "a tool's arguments are no JSON");
    }
    this.#calls++;
    this.#callsByTool[qualified] = used;
    this.#open++;
    const { onCall } = this.#request;
    this.#abort ??= new AbortController();
    const { signal } = this.#abort;
    const call = { id: this.#calls, server, name, args, bytes: size };
    const asked =
      onCall === undefined
        ? Promise.resolve<GuestAnswer>({ error: { code: "POLICY_DENIED", message: "no tools are available here" } })
        : (async () => onCall(call, signal))();
    asked
      .then((answer) => this.#answer(id, answer))
      // The broker's own failure: its text is not for a guest.
      .catch(() => this.#answer(id, { error: { code: "INTERNAL", message: "the call failed inside the broker" } }))
      .finally(() => this.#open--);
  }

  #answer(id: number, answer: GuestAnswer): void {
    if (this.#over) return;
    if ("end" in answer) return this.#stop(answer.end);
    const failed = "error" in answer;
    if (failed && answer.error.code === "POLICY_DENIED") this.#denied = true;
    const text =
      "resultText" in answer
        ? answer.resultText
        : (stringifyJson(failed ? answer.error : (answer.result ?? null)) ?? "null");
    this.#bytesIn += Buffer.byteLength(text);
    if (this.#bytesIn > this.#budgets.bytesIn)
      return this.#end("OUTPUT_LIMIT", `tool results have more than ${this.#budgets.bytesIn} bytes`);
    this.#child?.send(failed ? FRAME.refusal : FRAME.answer, id, text);
  }

  #log(kind: number, id: number, text: string, bytes: number): void {
    this.#logBytes += bytes;
    this.#logLines++;
    const { logBytes, logLines } = this.#budgets;
    if (this.#logBytes > logBytes) return this.#end("LOG_LIMIT", `the code logged more than ${logBytes} bytes`);
    if (this.#logLines > logLines) return this.#end("LOG_LIMIT", `the code logged more than ${logLines} lines`);
    try {
      if (kind === FRAME.log) this.#request.onLog?.({ level: LEVELS[id] ?? "info", text });
      else if (bytes <= LARGEST_FAILURE) this.#request.onProgress?.(JSON.parse(text) as { progress: number });
    } catch {
      // A listener's failure is not the guest's.
    }
  }

  #timer(id: number, ms: number): void {
    if (this.#timers.size >= this.#budgets.timers)
      return this.#end("CALL_BUDGET", `the code has more than ${this.#budgets.timers} timers`);
    clearTimeout(this.#timers.get(id));
    const wait = Number.isFinite(ms) ? Math.min(Math.max(1, ms), 2_147_483_647) : 1;
    this.#timers.set(
      id,
      setTimeout(() => {
        this.#timers.delete(id);
        this.#child?.send(FRAME.tick, id, "");
      }, wait),
    );
  }

  #tooMuch(): RunError {
    return { code: "OUTPUT_LIMIT", message: `the code sent more than ${this.#budgets.bytesOut} bytes` };
  }

  /** A failure as the guest's side told it: shape checked, length bounded, and only with a code that is its to say. */
  #failure(text: string, worker: boolean): RunError {
    const told = text.length <= LARGEST_FAILURE ? objectOf(text) : undefined;
    if (told === undefined) return { code: "GUEST_ERROR", message: "the code failed and its error cannot be shown" };
    const may = worker
      ? told.code === "MEMORY_LIMIT" || told.code === "OUTPUT_LIMIT"
      : told.code === "OUTPUT_LIMIT" || (told.code === "POLICY_DENIED" && this.#denied);
    const stack = typeof told.stack === "string" ? told.stack.slice(0, 4000) : "";
    return {
      code: may ? (told.code as RunErrorCode) : "GUEST_ERROR",
      message: String(told.message).slice(0, 2000),
      ...(stack === "" ? {} : { stack }),
    };
  }

  #gone(how: Ending): void {
    // V8 ends the process where it cannot get memory, with a trap, an abort or a fault; the kernel does with a kill.
    const { rssMb, heapMb } = this.#budgets;
    const memory =
      /is_heap_oom|last few gcs|out of memory|heap limit|allocation fail|invalid (string|array|table|size)|bad_alloc/i.test(
        how.stderr,
      ) ||
      (how.signal > 0 && this.#peakRssMb > Math.min(rssMb / 2, IDLE_RSS_MB + heapMb / 2));
    this.#settle({
      code: memory ? "MEMORY_LIMIT" : "WORKER_LOST",
      message: memory ? "the code ran the worker out of memory" : "the worker process ended by itself",
    });
    this.#free();
  }

  #end(code: RunErrorCode, message: string): void {
    this.#endWith({ code, message });
  }

  /** Ends a guest that breaks its budget: a kill. */
  #endWith(error: RunError): void {
    this.#settle(error);
    this.#child?.kill();
  }

  /** Ends a guest that did nothing wrong: it most likely waits, so that its worker can be told. If it does not listen, a kill. */
  #stop(error: RunError): void {
    if (this.#over) return;
    this.#settle(error);
    this.#child?.send(FRAME.end, 0, "");
  }

  #settle(outcome: string | RunError): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#wall);
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#abort?.abort(OVER);
    if (this.#stopWhenAsked !== undefined) this.#request.signal?.removeEventListener("abort", this.#stopWhenAsked);
    const usage = this.#usage();
    this.#settled.resolve(
      typeof outcome === "string" ? { ok: true, value: outcome, usage } : { ok: false, error: outcome, usage },
    );
    // A guest that answers and goes on spinning has this long to get out of the way.
    this.#wall = setTimeout(() => this.#child?.kill(), GRACE_MS);
  }

  #free(): void {
    if (this.#freed) return;
    this.#freed = true;
    clearTimeout(this.#wall);
    this.onFree();
  }

  #usage(): RunResult["usage"] {
    return {
      cpuMs: this.#cpuMs,
      wallMs: performance.now() - this.#begun,
      peakRssMb: Math.round(this.#peakRssMb),
      calls: this.#calls,
      callsByTool: { ...this.#callsByTool },
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
      logBytes: this.#logBytes,
      logLines: this.#logLines,
    };
  }
}

function objectOf(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
