import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { isObject } from "@callgate/core";
import { type Latency, latencyOf } from "./stats.ts";
import { callBody, type Era, faultOf, INITIALIZE, INITIALIZED, requestBody } from "./wire.ts";

const ANSWER_MS = 30_000;

/** An agent's client over stdio: starts a server and calls it, one call at a time. */
export class StdioClient {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #era: Era;
  readonly #tool: string;
  #nextId = 1;
  #tail = "";
  #waiting: { id: number; resolve(message: unknown): void; reject(error: Error): void } | undefined;

  private constructor(args: readonly string[], era: Era, tool: string) {
    this.#era = era;
    this.#tool = tool;
    this.#child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#tail = (this.#tail + chunk.toString("utf8")).slice(-2000);
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(line));
    this.#child.stdin.on("error", () => {});
    this.#child.on("exit", (code) => this.#fail(new Error(`\`${args.join(" ")}\` ended with ${code}\n${this.#tail}`)));
  }

  /** Starts `node <args>` and does the era's handshake. */
  static async open(args: readonly string[], era: Era, tool: string): Promise<StdioClient> {
    const client = new StdioClient(args, era, tool);
    if (era === "modern") {
      await client.#ask(0, requestBody("modern", 0, "server/discover"));
    } else {
      await client.#ask(0, INITIALIZE);
      client.#child.stdin.write(`${INITIALIZED}\n`);
    }
    return client;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Makes `count` calls, one after another, each checked. */
  async round(count: number): Promise<Latency> {
    const samples = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const id = this.#nextId++;
      const body = callBody(this.#era, this.#tool, 0, id);
      const start = performance.now();
      const message = await this.#ask(id, body);
      samples[i] = (performance.now() - start) * 1000;
      const fault = faultOf(this.#era, 0, id, message);
      if (fault !== undefined) throw new Error(`call ${id} over stdio: ${fault}`);
    }
    return latencyOf(samples);
  }

  /** Closes its input, which ends a stdio server, and waits until it has. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#child.once("exit", () => resolve()));
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    this.#child.stdin.end();
    await gone;
    clearTimeout(timer);
  }

  async #ask(id: number, body: string): Promise<unknown> {
    const timer = setTimeout(() => this.#fail(new Error(`no answer within ${ANSWER_MS} ms\n${this.#tail}`)), ANSWER_MS);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { id, resolve, reject };
        this.#child.stdin.write(`${body}\n`);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #take(line: string): void {
    const message: unknown = JSON.parse(line);
    // Notifications may come between; the bench declares no capability that a request could use.
    if (!isObject(message) || message.id !== this.#waiting?.id) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(message);
  }

  #fail(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}
