import { CallgateError, digestOf, messageOf } from "@callgate/core";
import { type Budgets, budgetsOf } from "./budgets.ts";
import { Child } from "./child.ts";
import { guestSource } from "./guest/source.ts";
import { FENCES, type Launch, launchOf } from "./launch.ts";
import { type Layer, type LayerReport, layersOf } from "./layers.ts";
import { type RunRequest, wrapScript } from "./request.ts";
import type { RunError, RunResult } from "./result.ts";
import { Run } from "./run.ts";

export interface SandboxOptions {
  /** Worker processes kept warm; one guest at a time each. Default 2. */
  readonly workers?: number;
  /**
   * Worker processes there may be at once. More than `workers` are started while runs wait for one and no guest is about to
   * free one: each waits for a call or a timer, or a run has waited for a quarter of a second. They end when they are idle.
   * Default 16.
   */
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

const CANCELLED: RunError = { code: "CANCELLED", message: "the caller cancelled the run" };

/** How long a worker beyond those kept warm waits for another run, in milliseconds. */
const IDLE_MS = 5_000;
/** A worker that holds more than this between runs is replaced: the next guest must not pay for what an earlier one left. */
const RESTING_MB = 88;
/** How long a run waits while guests compute, before one more worker shares the processor with them. */
const PATIENCE_MS = 250;

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
  /** No longer of the pool, but not gone yet. */
  readonly #ending = new Set<Child>();
  readonly #busy = new Map<Child, Run>();
  /** Runs that wait for a worker, first come first, with the time since when. */
  readonly #queue = new Map<(turn: Child | RunError) => void, { readonly since: number; readonly nested: boolean }>();
  readonly #digests = new Map<string, string>();
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
    let child: Child;
    try {
      child = new Child(this.#launch as Launch, this.#init);
    } catch {
      // The system has no process or no memory for one.
      return this.#failed();
    }
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
        this.#failed();
      },
    );
  }

  /** A pool whose workers all fail to start answers, instead of trying for ever. */
  #failed(): void {
    if (++this.#failures < 5) this.#start();
    else if (this.#all.size === 0) this.#dismiss("no worker process could be started");
  }

  #free(child: Child): void {
    if (this.#closed) return child.kill();
    if (child.dead || child.runs >= this.#runsPerWorker || child.restingMb() > RESTING_MB) return this.#replace(child);
    child.listener = { frame: () => {}, gone: () => this.#replace(child), largest: () => 65536 };
    const waiting = this.#next();
    if (waiting) return waiting(child);
    this.#idle.push(child);
    if (this.#all.size > this.#size) this.#retire(child);
  }

  /** Ends a worker, if it has not ended by itself, and starts another where one is missing. */
  #replace(child: Child): void {
    this.#idle = this.#idle.filter((c) => c !== child);
    if (!this.#all.delete(child)) return;
    child.kill();
    this.#ending.add(child);
    void child.exited().then(() => this.#ending.delete(child));
    if (this.#all.size < this.#size) this.#start();
    else this.#grow();
  }

  /** A worker beyond those kept warm ends when nobody has needed it for a while. */
  #retire(child: Child): void {
    const { runs } = child;
    setTimeout(() => {
      if (this.#all.size > this.#size && child.runs === runs && this.#idle.includes(child)) this.#replace(child);
    }, IDLE_MS).unref();
  }

  /** Whose turn it is: the first in the queue, but for runs that others wait for. */
  #next(): ((turn: Child) => void) | undefined {
    const queue = [...this.#queue];
    return (queue.find(([, { nested }]) => nested) ?? queue[0])?.[0];
  }

  /** Starts one more worker where runs wait and none is about to be free: a guest that waits keeps its worker. */
  #grow(): void {
    const waiting = [...this.#queue.values()];
    const [first] = waiting;
    // A run that another one waits for may be what frees that one's worker.
    const most = waiting.some(({ nested }) => nested) ? 2 * this.#most : this.#most;
    if (!first || waiting.length <= this.#starting || this.#all.size >= most) return;
    const waits = [...this.#busy.values()].every((run) => run.waits);
    if (waits || performance.now() - first.since > PATIENCE_MS) this.#start();
  }

  #sample(): void {
    for (const [child, run] of this.#busy) run.sample(child.sample());
    this.#grow();
    if (this.#busy.size === 0) {
      clearInterval(this.#watch);
      this.#watch = undefined;
    }
  }

  async run(request: RunRequest): Promise<RunResult> {
    const budgets: Budgets = budgetsOf(request.budgets);
    if (this.#closed) throw new CallgateError("SANDBOX_CLOSED", "the sandbox is closed");
    const code = request.kind === "script" ? wrapScript(request.code) : request.code;
    const run = new Run(request, budgets);
    if (request.signal?.aborted === true) return run.unstarted(CANCELLED);
    // A pool that gave up on a worker tries again when it is asked.
    if (this.#all.size < this.#size) this.#start();
    let child: Child | RunError;
    do child = this.#idle.shift() ?? (await this.#turn(budgets.wallMs, request));
    while (child instanceof Child && child.dead && !this.#closed);
    if (!(child instanceof Child)) return run.unstarted(child);
    if (child.dead) return run.unstarted({ code: "WORKER_LOST", message: "the sandbox is closed" });
    child.runs++;
    this.#busy.set(child, run);
    this.#watch ??= setInterval(() => this.#sample(), 10);
    run.onFree = () => {
      this.#busy.delete(child);
      this.#free(child);
    };
    return run.start(child, this.#digestOf(code), code);
  }

  /** Waits for a worker, or for a reason not to. */
  #turn(wallMs: number, { signal, nested }: RunRequest): Promise<Child | RunError> {
    return new Promise((settle) => {
      const take = (turn: Child | RunError): void => {
        this.#queue.delete(take);
        clearTimeout(late);
        signal?.removeEventListener("abort", stop);
        settle(turn);
      };
      const stop = (): void => take(CANCELLED);
      const late = setTimeout(
        () => take({ code: "WALL_TIMEOUT", message: `no worker was free within ${wallMs} ms` }),
        wallMs,
      );
      signal?.addEventListener("abort", stop, { once: true });
      this.#queue.set(take, { since: performance.now(), nested: nested === true });
      this.#grow();
    });
  }

  #dismiss(message: string): void {
    for (const waiting of this.#queue.keys()) waiting({ code: "WORKER_LOST", message });
  }

  /** A module is run again and again: its digest is remembered, for as long as a worker remembers its text. */
  #digestOf(code: string): string {
    const known = this.#digests.get(code);
    if (known !== undefined) return known;
    const digest = digestOf(code);
    this.#digests.set(code, digest);
    if (this.#digests.size > 64) this.#digests.delete(this.#digests.keys().next().value as string);
    return digest;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#dismiss("the sandbox is closed");
    const children = [...this.#all, ...this.#ending];
    for (const child of children) child.kill();
    await Promise.all(children.map((child) => child.exited()));
  }
}
