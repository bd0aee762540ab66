import { CallgateError, digestOf, messageOf } from "@callgate/core";
import { type Budgets, budgetsOf } from "./budgets.ts";
import { Child } from "./child.ts";
import { guestSource } from "./guest/source.ts";
import { FENCES, type Launch, launchOf } from "./launch.ts";
import { type Layer, type LayerReport, layersOf } from "./layers.ts";
import { type RunRequest, wrapScript } from "./request.ts";
import type { RunResult } from "./result.ts";
import { Run } from "./run.ts";

export interface SandboxOptions {
  /** Worker processes kept warm; one guest at a time each. Default 2. */
  readonly workers?: number;
  /** Worker processes there may be at once: more are started while runs wait for one, and end when they are idle. Default 16. */
  readonly maxWorkers?: number;
  /** Runs after which a process is replaced. Default 1,000. */
  readonly runsPerWorker?: number;
  /** Heap of the isolates that are kept ready; another budget costs making one on demand. */
  readonly heapMb?: number;
  /** Layers without which it MUST NOT start. */
  readonly require?: readonly Layer[];
}

export interface Sandbox {
  readonly layers: readonly LayerReport[];
  /** Runs code once, in an isolate of its own. Never rejects for what the guest does. */
  run(request: RunRequest): Promise<RunResult>;
  close(): Promise<void>;
}

/** Opens the pool. Throws `SANDBOX_LAYER` if a required layer is not to be had, `SANDBOX_START` if no worker starts. */
export async function openSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const pool = new Pool(options);
  await pool.open();
  return pool;
}

/** The layers that a sandbox would have here. */
export async function describeLayers(): Promise<readonly LayerReport[]> {
  const sandbox = await openSandbox({ workers: 1 });
  await sandbox.close();
  return sandbox.layers;
}

/** How long a worker beyond those kept warm waits for another run, in milliseconds. */
const IDLE_MS = 5_000;

class Pool implements Sandbox {
  layers: readonly LayerReport[] = [];
  readonly #init: string;
  readonly #heapMb: number;
  readonly #size: number;
  readonly #most: number;
  readonly #runsPerWorker: number;
  readonly #require: readonly Layer[];
  /** Found once: what a worker is started from does not change under a running broker. */
  #launch: Launch | undefined;
  #idle: Child[] = [];
  readonly #all = new Set<Child>();
  readonly #busy = new Map<Child, Run>();
  readonly #queue: ((child: Child | undefined) => void)[] = [];
  #watch: NodeJS.Timeout | undefined;
  #closed = false;
  #failures = 0;
  /** Workers that are on their way: each will take a run that waits. */
  #starting = 0;

  constructor(options: SandboxOptions) {
    this.#heapMb = options.heapMb ?? budgetsOf().heapMb;
    this.#size = options.workers ?? 2;
    this.#most = Math.max(this.#size, options.maxWorkers ?? 16);
    this.#runsPerWorker = options.runsPerWorker ?? 1_000;
    this.#require = options.require ?? [];
    this.#init = JSON.stringify({ source: guestSource(), heapMb: this.#heapMb });
  }

  async open(): Promise<void> {
    const lacks: string[] = [];
    for (const fence of FENCES) {
      const launch = launchOf(fence);
      if ("missing" in launch) {
        lacks.push(`${fence}: needs ${launch.missing}`);
        continue;
      }
      const child = new Child(launch, this.#init);
      try {
        const facts = await child.ready;
        this.#launch = launch;
        this.layers = layersOf(fence, facts, lacks);
        this.#all.add(child);
        this.#free(child);
        break;
      } catch (error) {
        lacks.push(`${fence}: ${messageOf(error).split("\n").slice(0, 2).join(" ")}`);
      }
    }
    if (this.#all.size === 0)
      throw new CallgateError("SANDBOX_START", `no sandbox worker starts: ${lacks.join("; ")}`, {
        help: "run `npm rebuild isolated-vm` with the Node that runs the broker",
      });
    const without = this.#require.filter((layer) => !this.layers.some((l) => l.layer === layer && l.inForce));
    if (without.length > 0) {
      await this.close();
      throw new CallgateError("SANDBOX_LAYER", `the sandbox lacks the required layer \`${without.join(", ")}\``, {
        help: this.layers.map((l) => `${l.layer}: ${l.detail}`).join("; "),
      });
    }
    while (this.#all.size < this.#size) this.#start();
  }

  #start(): void {
    if (this.#closed) return;
    const child = new Child(this.#launch as Launch, this.#init);
    this.#all.add(child);
    this.#starting++;
    child.ready.then(
      () => {
        this.#starting--;
        this.#failures = 0;
        this.#free(child);
      },
      () => {
        this.#starting--;
        this.#all.delete(child);
        // A pool whose workers all fail to start answers, instead of trying for ever.
        if (++this.#failures < 5) this.#start();
        else for (const waiting of this.#queue.splice(0)) waiting(undefined);
      },
    );
  }

  #free(child: Child): void {
    if (this.#closed) return child.kill();
    if (child.dead) return this.#replace(child);
    if (child.runs >= this.#runsPerWorker) {
      child.kill();
      return this.#replace(child);
    }
    child.listener = { frame: () => {}, gone: () => this.#replace(child), largest: () => 65536 };
    const waiting = this.#queue.shift();
    if (waiting) return waiting(child);
    this.#idle.push(child);
    if (this.#all.size > this.#size) this.#retire(child);
  }

  /** A worker beyond those kept warm ends when nobody has needed it for a while. */
  #retire(child: Child): void {
    const { runs } = child;
    setTimeout(() => {
      if (this.#all.size <= this.#size || child.runs !== runs || !this.#idle.includes(child)) return;
      this.#idle = this.#idle.filter((c) => c !== child);
      this.#all.delete(child);
      child.listener = undefined;
      child.kill();
    }, IDLE_MS).unref();
  }

  #replace(child: Child): void {
    this.#idle = this.#idle.filter((c) => c !== child);
    if (!this.#all.delete(child)) return;
    if (this.#all.size < this.#size || this.#queue.length > this.#starting) this.#start();
  }

  /** A worker for a run: an idle one, or the first that is free or started. Undefined if there is none in time. */
  #take(ms: number, signal: AbortSignal | undefined): Promise<Child | undefined> {
    const idle = this.#idle.shift();
    if (idle) return Promise.resolve(idle);
    return new Promise((resolve) => {
      const settle = (child: Child | undefined): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", leave);
        resolve(child);
      };
      const leave = (): void => {
        const at = this.#queue.indexOf(settle);
        if (at >= 0) this.#queue.splice(at, 1);
        settle(undefined);
      };
      const timer = setTimeout(leave, ms);
      signal?.addEventListener("abort", leave, { once: true });
      this.#queue.push(settle);
      if (this.#queue.length > this.#starting && this.#all.size < this.#most) this.#start();
      if (signal?.aborted) leave();
    });
  }

  #sample(): void {
    for (const [child, run] of this.#busy) run.sample(child.sample());
    if (this.#busy.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    }
  }

  async run(request: RunRequest): Promise<RunResult> {
    const budgets: Budgets = budgetsOf(request.budgets);
    if (this.#closed) throw new CallgateError("SANDBOX_CLOSED", "the sandbox is closed");
    const code = request.kind === "script" ? wrapScript(request.code) : request.code;
    const asked = performance.now();
    const child = await this.#take(budgets.wallMs, request.signal);
    const left = budgets.wallMs - (performance.now() - asked);
    const run = new Run(request, { ...budgets, wallMs: Math.max(1, left) }, child);
    if (child === undefined) {
      if (request.signal?.aborted) return run.unstarted("CANCELLED", "the caller cancelled the run");
      if (left <= 0) return run.unstarted("WALL_TIMEOUT", `no worker was free for ${budgets.wallMs} ms`);
      return run.unstarted("WORKER_LOST", "no worker process could be started");
    }
    child.runs++;
    this.#busy.set(child, run);
    this.#watch ??= setInterval(() => this.#sample(), 10);
    run.onFree = () => {
      this.#busy.delete(child);
      this.#free(child);
    };
    return run.start(digestOf(code), code);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    for (const waiting of this.#queue.splice(0)) waiting(undefined);
    const children = [...this.#all];
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.exited()));
  }
}
