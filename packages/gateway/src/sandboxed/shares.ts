import { UpstreamFailure } from "../upstream/peer.ts";

/** The runs of one agent at one depth. */
interface Line {
  under: number;
  /** Those that wait for a place, first come first. */
  readonly waiting: Set<() => void>;
}

/**
 * The shares that agents have of the workers. A run may wait for tools and people as long as it likes, and keeps its worker: one agent MUST
 * NOT have so many that none is left for the others. It has half of them for its scripts and modules, and one less for the runs inside;
 * with a `depth` beyond 2 one less again for each depth, which may be more than there are.
 */
export class Shares {
  readonly #lines = new Map<string, Line>();
  readonly #outer: number;
  readonly #inner: number;

  constructor(workers: number) {
    this.#outer = Math.ceil(workers / 2);
    this.#inner = Math.max(1, this.#outer - 1);
  }

  /**
   * Takes a place, and gives what to call when the run is over. Rejects with `UpstreamFailure` where an agent's own calls have taken its
   * share. A run inside a run waits for a place instead, for `ms` milliseconds: the one around it has begun, and cannot be asked to come
   * again. Each depth has places of its own, so that no run waits for one that waits for it.
   */
  async enter(agent: string, depth: number, ms: number, signal: AbortSignal | undefined): Promise<() => void> {
    const key = `${depth} ${agent}`;
    const line = this.#lines.get(key) ?? { under: 0, waiting: new Set() };
    this.#lines.set(key, line);
    const most = depth > 1 ? this.#inner : this.#outer;
    if (line.under < most) line.under++;
    else if (depth === 1)
      throw new UpstreamFailure("unreachable", `the agent has ${most} runs under way already, which is its share`);
    else await turn(line, ms, signal);
    return () => {
      const [next] = line.waiting;
      // Whoever waits takes the place over.
      if (next) return next();
      if (--line.under === 0) this.#lines.delete(key);
    };
  }
}

function turn({ waiting }: Line, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((yes, no) => {
    const end = (): void => {
      waiting.delete(take);
      clearTimeout(late);
      signal?.removeEventListener("abort", stop);
    };
    const take = (): void => {
      end();
      yes();
    };
    const stop = (): void => {
      end();
      no(new UpstreamFailure("cancelled", "the call was cancelled"));
    };
    const late = setTimeout(() => {
      end();
      no(new UpstreamFailure("timeout", `no place for a run inside a run was free within ${Math.round(ms)} ms`));
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
    waiting.add(take);
    if (signal?.aborted) stop();
  });
}
