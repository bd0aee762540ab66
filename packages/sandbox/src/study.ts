import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { CallgateError } from "@callgate/core";
import type { Plan } from "./plan.ts";

/** What reading a script gave: the JavaScript to run, what it can reach, and the texts that stand in it. */
export interface StudiedScript {
  /** The script without types; lines and columns as written. */
  readonly code: string;
  readonly plan: Plan;
  /** The literals of the script, as texts: what it says by itself, without having read it anywhere. */
  readonly literals: readonly string[];
}

/** What the thread answers; one that is broken MUST NOT be asked again. */
export type StudyAnswer = StudiedScript | { readonly error: string; readonly broken: boolean };

export interface Study {
  /**
   * Reads a script (the body of an async function, JavaScript or erasable TypeScript). Rejects with `SANDBOX_SYNTAX`, also for a text that
   * takes more than a second to read.
   */
  read(script: string): Promise<StudiedScript>;
  close(): Promise<void>;
}

const MAX_MS = 1_000;

interface Asked {
  readonly script: string;
  readonly resolve: (studied: StudiedScript) => void;
  readonly reject: (error: CallgateError) => void;
}

/** Reads scripts in a thread of its own: a text that is hard to parse MUST NOT hold up its reader's loop. Started when first asked. */
export function openStudy(): Study {
  return new Desk();
}

class Desk implements Study {
  #worker: Worker | undefined;
  readonly #queue: Asked[] = [];
  #current: Asked | undefined;
  #timer: NodeJS.Timeout | undefined;

  read(script: string): Promise<StudiedScript> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ script, resolve, reject });
      this.#next();
    });
  }

  async close(): Promise<void> {
    for (const { reject } of this.#queue.splice(0)) reject(unread("the broker is stopping"));
    await this.#drop("the broker is stopping");
  }

  #next(): void {
    if (this.#current) return;
    this.#current = this.#queue.shift();
    if (!this.#current) return;
    this.#worker ??= this.#start();
    this.#timer = setTimeout(() => void this.#drop("it takes too long to read"), MAX_MS);
    this.#worker.postMessage(this.#current.script);
  }

  #start(): Worker {
    const near = (name: string): URL => new URL(name, import.meta.url);
    // The published package holds JavaScript, the sources TypeScript.
    const file = existsSync(near("./study-worker.js")) ? near("./study-worker.js") : near("./study-worker.ts");
    const worker = new Worker(file, { env: {}, resourceLimits: { maxOldGenerationSizeMb: 128, stackSizeMb: 4 } });
    worker.unref();
    worker.on("message", (answer: StudyAnswer) => {
      if ("error" in answer && answer.broken) return void this.#drop(answer.error);
      const asked = this.#current;
      this.#settled();
      if ("error" in answer) asked?.reject(unread(answer.error));
      else asked?.resolve(answer);
      this.#next();
    });
    worker.on("error", () => void this.#drop("it cannot be read"));
    worker.on("exit", () => {
      if (this.#worker === worker) void this.#drop("it cannot be read");
    });
    return worker;
  }

  #settled(): void {
    clearTimeout(this.#timer);
    this.#current = undefined;
  }

  /** Ends the thread with what it reads; the next script gets a new one. */
  async #drop(why: string): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.removeAllListeners();
    worker?.on("error", () => {});
    const asked = this.#current;
    this.#settled();
    asked?.reject(unread(why));
    this.#next();
    await worker?.terminate();
  }
}

function unread(why: string): CallgateError {
  return new CallgateError("SANDBOX_SYNTAX", `the script cannot be run: ${why}`, {
    help: "send the body of an async function, in JavaScript or in TypeScript without `enum` and `namespace`",
  });
}
