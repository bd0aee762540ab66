import {
  type LayerReport,
  openSandbox,
  openStudy,
  type RunRequest,
  type RunResult,
  type Sandbox,
  type Study,
} from "@callgate/sandbox";
import type { Config } from "../config/index.ts";
import { Shares } from "./shares.ts";

/** The sandbox of a broker. Opened when it is first needed: a broker that runs no code starts no processes for it. */
export class SandboxPool {
  readonly study: Study = openStudy();
  #config: Config["sandbox"];
  #opening: Promise<Sandbox> | undefined;
  #closed = false;
  readonly #shares: Shares;

  constructor(config: Config["sandbox"]) {
    this.#config = config;
    this.#shares = new Shares(config.maxWorkers);
  }

  /** Rejects with `SANDBOX_LAYER` or `SANDBOX_START`; asked again, it tries again. */
  open(): Promise<Sandbox> {
    if (this.#closed) return Promise.reject(new Error("the broker is stopping"));
    this.#opening ??= openSandbox(this.#config).catch((error: unknown) => {
      this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  /**
   * Runs code for an agent, in a run of this depth, within the agent's share of the workers. Rejects with `UpstreamFailure` where that is
   * taken.
   */
  async run(agent: string, depth: number, request: RunRequest): Promise<RunResult> {
    const sandbox = await this.open();
    const waits = performance.now();
    const leave = await this.#shares.enter(agent, depth, request.budgets?.wallMs ?? 0, request.signal);
    try {
      const { budgets } = request;
      const waited = Math.floor(performance.now() - waits);
      const left = budgets?.wallMs === undefined ? {} : { wallMs: Math.max(10, budgets.wallMs - waited) };
      return await sandbox.run({ ...request, budgets: { ...budgets, ...left } });
    } finally {
      leave();
    }
  }

  /** The layers in force, by name, as the boot record has them; undefined while nothing runs here. */
  async layers(): Promise<Readonly<Record<string, string>> | undefined> {
    const sandbox = await this.#opening;
    return sandbox && Object.fromEntries(sandbox.layers.map((report) => [report.layer, said(report)]));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.study.close();
    await this.#opening?.then((sandbox) => sandbox.close()).catch(() => {});
  }
}

function said({ inForce, detail }: LayerReport): string {
  return `${inForce ? "in force" : "not in force"}: ${detail}`.slice(0, 500);
}

/** Whether a configuration has anything that runs in the sandbox. */
export function needsSandbox(config: Config): boolean {
  return config.code !== undefined || Object.values(config.servers).some((server) => server.transport === "module");
}
