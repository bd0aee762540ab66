import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readSync } from "node:fs";
import { setPriority } from "node:os";
import { FRAME, FrameReader, frameOf } from "./frame.ts";
import type { Launch } from "./launch.ts";

/** What a worker says of itself when it is ready. */
export interface WorkerFacts {
  readonly permission: boolean;
  readonly environment: number;
  readonly uid: number;
}

export interface Sample {
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Who listens to a worker: the run that it works for. */
export interface Listener {
  frame(kind: number, id: number, body: Buffer): void;
  /** The process is gone, by its own fault or by ours. */
  gone(why: string): void;
  largest(): number;
}

const TICKS_MS = 10;
const text = Buffer.alloc(4096);

function procOf(fd: number): string {
  return text.toString("latin1", 0, readSync(fd, text, 0, text.length, 0));
}

/** One worker process. Started with no environment, in its own session, with three pipes and no other descriptor. */
export class Child {
  readonly pid: number;
  readonly ready: Promise<WorkerFacts>;
  /** Digests of the code that the worker holds, oldest first; the worker forgets in the same order. */
  readonly codes = new Set<string>();
  listener: Listener | undefined;
  dead = false;
  runs = 0;
  #process: ChildProcess;
  #stat = -1;
  #statm = -1;
  #stderr = "";
  #reader: FrameReader;

  constructor(launch: Launch, init: string) {
    this.#process = spawn(launch.file, launch.args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: {},
      cwd: "/",
      detached: true,
    });
    this.pid = this.#process.pid ?? -1;
    const { promise, resolve, reject } = Promise.withResolvers<WorkerFacts>();
    this.ready = promise;
    this.ready.catch(() => {});
    let facts: WorkerFacts | undefined;
    this.#reader = new FrameReader(
      () => this.listener?.largest() ?? 65536,
      (kind, id, body) => {
        if (facts === undefined && kind === FRAME.ready) {
          facts = JSON.parse(body.toString()) as WorkerFacts;
          resolve(facts);
        } else this.listener?.frame(kind, id, body);
      },
    );
    const late = setTimeout(() => this.kill(), 10_000);
    this.ready.then(() => clearTimeout(late)).catch(() => clearTimeout(late));
    const gone = (why: string): void => {
      if (this.#stat >= 0) closeSync(this.#stat);
      if (this.#statm >= 0) closeSync(this.#statm);
      this.#stat = this.#statm = -1;
      this.dead = true;
      reject(new Error(`${why}\n${this.#stderr.slice(0, 600)}`));
      const listener = this.listener;
      this.listener = undefined;
      listener?.gone(`${why} ${this.#stderr}`);
    };
    this.#process.on("error", (error) => gone(error.message));
    this.#process.on("exit", (code, signal) => gone(signal ? `killed by ${signal}` : `exited with ${code}`));
    this.#process.stdin?.on("error", () => {});
    this.#process.stdout?.on("data", (bytes: Buffer) => {
      if (!this.dead && !this.#reader.push(bytes)) {
        this.listener?.frame(
          FRAME.fail,
          0,
          Buffer.from(`{"code":"OUTPUT_LIMIT","message":"a message is larger than allowed"}`),
        );
        this.kill();
      }
    });
    this.#process.stderr?.on("data", (bytes: Buffer) => {
      this.#stderr = (this.#stderr + bytes.toString("latin1")).slice(0, 4096);
    });
    this.send(FRAME.init, 0, init);
    try {
      // The broker's loop comes before its guests.
      setPriority(this.pid, 5);
      this.#stat = openSync(`/proc/${this.pid}/stat`, "r");
      this.#statm = openSync(`/proc/${this.pid}/statm`, "r");
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

  /** Ends the process at once. A guest has no say in it. */
  kill(): void {
    this.dead = true;
    this.#process.stdout?.pause();
    this.#process.kill("SIGKILL");
  }

  /** Waits until the process is gone. */
  async exited(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null || this.#process.pid === undefined) return;
    await new Promise<void>((done) => this.#process.once("exit", () => done()));
  }
}
