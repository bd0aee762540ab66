import { type ChildProcess, fork } from "node:child_process";
import type { Target } from "./client.ts";
import type { Order, Report, Round } from "./load.ts";

/** The bench's side of the load generator's process. One order at a time. */
export class Generator {
  readonly #child: ChildProcess;
  readonly #calls = new Map<string, number>();
  #waiting: { resolve(report: Report): void; reject(error: Error): void } | undefined;

  constructor() {
    this.#child = fork(new URL("./load.ts", import.meta.url));
    this.#child.on("message", (report: Report) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.resolve(report);
    });
    this.#child.on("exit", (code) => this.#waiting?.reject(new Error(`the load generator ended with ${code}`)));
  }

  async open(name: string, target: Target, clients: number): Promise<void> {
    await this.#order({ kind: "open", name, target, clients });
  }

  /** Runs at most `calls` calls for at most `maxMs`. Rejects if any answer was wrong. */
  async round(name: string, calls: number, maxMs: number): Promise<Round> {
    const report = await this.#order({ kind: "round", name, calls, maxMs });
    if (!report.round) throw new Error("the load generator reported no round");
    this.#calls.set(name, this.callsOf(name) + report.round.calls);
    return report.round;
  }

  /** Calls of a target that were answered and checked, in all rounds so far. */
  callsOf(name: string): number {
    return this.#calls.get(name) ?? 0;
  }

  /** The same over all targets. */
  get calls(): number {
    return [...this.#calls.values()].reduce((sum, calls) => sum + calls, 0);
  }

  async close(name: string): Promise<void> {
    await this.#order({ kind: "close", name });
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  async #order(order: Order): Promise<Report & { ok: true }> {
    const report = await new Promise<Report>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#child.send(order, (error) => error && reject(error));
    });
    if (!report.ok) throw new Error(`${order.kind} \`${order.name}\`: ${report.error}`);
    return report;
  }
}
