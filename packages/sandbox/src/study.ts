import { existsSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { CallgateError } from "@callgate/core";
import type { Place } from "./place.ts";
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
export type StudyAnswer = StudiedScript | { readonly error: string; readonly broken: boolean; readonly place?: Place };

export interface Study {
  /**
   * Reads a script (the body of an async function, JavaScript or erasable TypeScript). Rejects with `SANDBOX_SYNTAX`, also for a text that
   * takes more than a second to read. Where the place of a fault is known, the error has it in its message, and as a diagnostic about the
   * file `script`; the message quotes the script, and the diagnostic's span does not.
   *
   * One script is read at a time, and those who ask take turns. `asker` is who: four scripts of one may wait, and another rejects with
   * `SANDBOX_BUSY`.
   */
  read(script: string, asker?: string): Promise<StudiedScript>;
  close(): Promise<void>;
}

const MAX_MS = 1_000;
/** Scripts of one asker that may wait while others are read. */
const MOST_WAITING = 32;

interface Asked {
  readonly asker: string;
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
  /** What waits, by asker; whose turn is next stands first. */
  readonly #waiting = new Map<string, Asked[]>();
  #current: Asked | undefined;
  #timer: NodeJS.Timeout | undefined;
  #ready = false;

  read(script: string, asker = ""): Promise<StudiedScript> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(asker) ?? [];
      if (waiting.length >= MOST_WAITING) return reject(busy());
      this.#waiting.set(asker, [...waiting, { asker, script, resolve, reject }]);
      this.#next();
    });
  }

  async close(): Promise<void> {
    const left = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const { reject } of left) reject(unread("the broker is stopping"));
    await this.#drop("the broker is stopping");
  }

  #next(): void {
    if (this.#current) return;
    this.#current = this.#take();
    if (!this.#current) return;
    this.#worker ??= this.#start();
    if (this.#ready) this.#ask(this.#current);
  }

  /** The script whose turn it is. */
  #take(): Asked | undefined {
    const [turn] = this.#waiting;
    if (!turn) return undefined;
    const [asker, [first, ...others]] = turn;
    if (others.length > 0) this.#waiting.set(asker, others);
    else this.#waiting.delete(asker);
    return first;
  }

  #ask({ script }: Asked): void {
    this.#timer = setTimeout(() => void this.#drop("it takes too long to read"), MAX_MS);
    this.#worker?.postMessage(script);
  }

  #start(): Worker {
    const near = (name: string): URL => new URL(name, import.meta.url);
    // The published package holds JavaScript, the sources TypeScript.
    const file = existsSync(near("./study-worker.js")) ? near("./study-worker.js") : near("./study-worker.ts");
    const worker = new Worker(file, { env: {}, resourceLimits: { maxOldGenerationSizeMb: 128, stackSizeMb: 4 } });
    worker.unref();
    this.#ready = false;
    worker.on("message", (answer: StudyAnswer | "ready") => {
      if (answer === "ready") {
        this.#ready = true;
        if (this.#current) this.#ask(this.#current);
        return;
      }
      if ("error" in answer && answer.broken) return void this.#drop(answer.error);
      const asked = this.#current;
      this.#settled();
      if ("error" in answer) asked?.reject(unread(answer.error, answer.place));
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
    const { asker } = this.#current ?? {};
    this.#current = undefined;
    if (asker === undefined) return;
    // Whoever came meanwhile has not had a turn yet.
    const others = this.#waiting.get(asker);
    if (this.#waiting.delete(asker) && others) this.#waiting.set(asker, others);
  }

  /** Ends the thread with what it reads; the next script gets a new one. */
  async #drop(why: string): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#ready = false;
    worker?.removeAllListeners();
    worker?.on("error", () => {});
    const asked = this.#current;
    this.#settled();
    asked?.reject(unread(why));
    this.#next();
    await worker?.terminate();
  }
}

function busy(): CallgateError {
  return new CallgateError("SANDBOX_BUSY", `${MOST_WAITING} of your scripts wait to be read already`, {
    help: "wait for their answers, then send it again",
  });
}

function unread(why: string, place?: Place): CallgateError {
  const where = place ? ` (line ${place.line}, column ${place.column})` : "";
  return new CallgateError("SANDBOX_SYNTAX", `the script cannot be run: ${why}${where}`, {
    ...(place && { diagnostics: [{ message: why, span: { file: "script", ...place } }] }),
    help: "send the body of an async function, in JavaScript or in TypeScript without `enum` and `namespace`",
  });
}
