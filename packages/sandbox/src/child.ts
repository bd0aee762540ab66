import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import type { Duplex } from "node:stream";
import { type Confinement, childOf, confinementOf } from "./confinement.ts";
import { FRAME, FrameReader, frameOf } from "./frame.ts";
import type { Launch } from "./launch.ts";

/** What a worker says of itself when it is ready, and what the kernel says of it. */
export interface WorkerFacts {
  readonly permission: boolean;
  readonly environment: number;
  readonly confinement?: Confinement;
}

export interface Sample {
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** How a worker ended: `signal` also where its keeper tells it as an exit code beyond 128. */
export interface Ending {
  readonly signal: number;
  readonly code: number;
  readonly stderr: string;
}

/** Who listens to a worker: the run that it works for. */
export interface Listener {
  frame(kind: number, id: number, body: Buffer): void;
  /** The process is gone, by its own fault or by ours. */
  gone(how: Ending): void;
  largest(): number;
}

const TICKS_MS = 10;
const SIGNALS: Record<string, number> = { SIGILL: 4, SIGTRAP: 5, SIGABRT: 6, SIGBUS: 7, SIGKILL: 9, SIGSEGV: 11 };
const text = Buffer.alloc(4096);

function procOf(fd: number): string {
  return text.toString("latin1", 0, readSync(fd, text, 0, text.length, 0));
}

/** One worker process. Started with no environment, in its own session, with three pipes and no other descriptor. */
export class Child {
  /** The worker's own process id, also where a keeper stands between. -1 until it is known. */
  pid = -1;
  readonly ready: Promise<WorkerFacts>;
  /** Digests of the code that the worker holds, oldest first; the worker forgets in the same order. */
  readonly codes = new Set<string>();
  listener: Listener | undefined;
  dead = false;
  runs = 0;
  #process: ChildProcess;
  #gone = Promise.withResolvers<void>();
  #over = false;
  #stat = -1;
  #statm = -1;
  #stderr = "";
  #reader: FrameReader;

  constructor(launch: Launch, init: string) {
    this.#process = spawn(launch.file, launch.args, {
      stdio: ["pipe", "pipe", "pipe", ...(launch.kept === true ? (["pipe"] as const) : [])],
      env: {},
      cwd: "/",
      detached: true,
    });
    try {
      // The broker's loop comes before its guests. Set at once, so that every thread inherits it.
      if (this.#process.pid !== undefined) setPriority(this.#process.pid, 5);
    } catch {
      // It did not start: told by its events.
    }
    const { promise, resolve, reject } = Promise.withResolvers<WorkerFacts>();
    this.ready = promise;
    this.ready.catch(() => {});
    let ready = false;
    this.#reader = new FrameReader(
      () => this.listener?.largest() ?? 65536,
      (kind, id, body) => {
        if (this.dead) return;
        if (ready || kind !== FRAME.ready) return this.listener?.frame(kind, id, body);
        ready = true;
        const started = this.#process.pid ?? -1;
        this.#watch(launch.kept === true ? childOf(started) : started);
        const confinement = confinementOf(this.pid);
        const said = JSON.parse(body.toString()) as WorkerFacts;
        resolve({ ...said, ...(confinement === undefined ? {} : { confinement }) });
      },
    );
    const late = setTimeout(() => this.kill(), 10_000);
    this.ready.then(() => clearTimeout(late)).catch(() => clearTimeout(late));
    const gone = (code: number, signal: number): void => {
      if (this.#over) return;
      this.#over = true;
      if (this.#stat >= 0) closeSync(this.#stat);
      if (this.#statm >= 0) closeSync(this.#statm);
      this.#stat = this.#statm = -1;
      this.dead = true;
      reject(new Error(`exit code ${code}, signal ${signal}\n${this.#stderr.slice(0, 600)}`));
      const listener = this.listener;
      this.listener = undefined;
      listener?.gone({ code, signal, stderr: this.#stderr });
      this.#gone.resolve();
    };
    this.#process.on("error", (error) => {
      this.#stderr += error.message;
      gone(-1, 0);
    });
    this.#process.on("exit", (code, name) => {
      const signal = name === null ? ((code ?? 0) > 128 ? (code as number) - 128 : 0) : (SIGNALS[name] ?? 15);
      const tell = (): void => gone(code ?? -1, signal);
      // Its last words are read first: they say whether it ran out of memory.
      this.#process.once("close", tell);
      setTimeout(tell, 100).unref();
    });
    this.#process.stdin?.on("error", () => {});
    this.#listen();
    this.#process.stderr?.on("data", (bytes: Buffer) => {
      if (this.#stderr.length < 4096) this.#stderr += bytes.toString("latin1", 0, 4096);
    });
    if (launch.kept === true) {
      const filter = this.#process.stdio[3] as Duplex | undefined;
      filter?.on("error", () => {});
      filter?.end(launch.filter ?? "");
    }
    this.send(FRAME.init, 0, init);
  }

  /** Reads what the worker says, a piece a turn of the loop: a guest that floods takes turns with everything else. */
  #listen(): void {
    const out = this.#process.stdout;
    out?.on("data", (bytes: Buffer) => {
      if (this.dead) return;
      if (!this.#reader.push(bytes)) {
        const told = `{"code":"OUTPUT_LIMIT","message":"a message is larger than allowed"}`;
        this.listener?.frame(FRAME.fault, 0, Buffer.from(told));
        return this.kill();
      }
      if (bytes.length < 16_384 || this.dead) return;
      out.pause();
      setImmediate(() => {
        if (!this.dead) out.resume();
      });
    });
  }

  #watch(pid: number): void {
    this.pid = pid;
    try {
      this.#stat = openSync(`/proc/${pid}/stat`, "r");
      this.#statm = openSync(`/proc/${pid}/statm`, "r");
      // Where this machine runs out of memory, a guest goes before the broker does.
      writeFileSync(`/proc/${pid}/oom_score_adj`, "1000");
    } catch {
      // No /proc: wall time and the isolate's own limits remain.
    }
  }

  send(kind: number, id: number, body: string): void {
    if (!this.dead) this.#process.stdin?.write(frameOf(kind, id, body));
  }

  /** Processor time since the process began and memory now; undefined where there is no /proc. */
  sample(): Sample | undefined {
    if (this.#stat < 0 || this.#statm < 0) return undefined;
    try {
      const stat = procOf(this.#stat);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const pages = Number(procOf(this.#statm).split(" ")[1]);
      return { cpuMs: (Number(fields[11]) + Number(fields[12])) * TICKS_MS, rssMb: (pages * 4096) / 1048576 };
    } catch {
      return undefined;
    }
  }

  /** Megabytes that it holds now; 0 where there is no /proc. */
  restingMb(): number {
    try {
      return this.#statm < 0 ? 0 : (Number(procOf(this.#statm).split(" ")[1]) * 4096) / 1048576;
    } catch {
      return 0;
    }
  }

  /** Ends the process at once. A guest has no say in it. Its keeper, where there is one, ends with it. */
  kill(): void {
    this.dead = true;
    const { exitCode, signalCode } = this.#process;
    this.#process.stdout?.resume();
    this.#process.stdin?.destroy();
    const keeper = this.#process.pid;
    if (exitCode !== null || signalCode !== null || keeper === undefined) return;
    try {
      // Its keeper follows, and its exit then says that the worker is gone. One that is still being started has the
      // broker's session's group to itself.
      process.kill(this.pid > 0 ? this.pid : -keeper, "SIGKILL");
    } catch {
      this.#process.kill("SIGKILL");
    }
  }

  /** Waits until the process is gone. */
  exited(): Promise<void> {
    return this.#gone.promise;
  }
}
