import { newId } from "@callgate/core";
import { UpstreamFailure } from "./upstream/peer.ts";
import type { Running } from "./upstream/running.ts";

interface Parked {
  readonly running: Running;
  readonly timer: NodeJS.Timeout;
}

/**
 * Requests that wait in mid-air: a server of the older era asked something, and the agent, of the stateless era, was sent away to
 * come back with the answer. Bounded in number and time; one not fetched is cancelled.
 */
export class Parking {
  #parked = new Map<string, Parked>();
  #ttlMs: number;
  #max: number;

  constructor(ttlMs: number, max = 1000) {
    this.#ttlMs = ttlMs;
    this.#max = max;
  }

  /** Parks a request; undefined if there is no room. */
  park(running: Running): string | undefined {
    if (this.#parked.size >= this.#max) return undefined;
    const id = newId("prk");
    const timer = setTimeout(() => {
      this.#parked.delete(id);
      running.cancel(new UpstreamFailure("timeout", "the agent did not come back with the answer in time"));
    }, this.#ttlMs);
    timer.unref();
    this.#parked.set(id, { running, timer });
    return id;
  }

  /** Fetches a parked request, once. */
  take(id: string): Running | undefined {
    const parked = this.#parked.get(id);
    if (!parked) return undefined;
    this.#parked.delete(id);
    clearTimeout(parked.timer);
    return parked.running;
  }

  close(): void {
    for (const { running, timer } of this.#parked.values()) {
      clearTimeout(timer);
      running.cancel(new UpstreamFailure("cancelled", "the broker is stopping"));
    }
    this.#parked.clear();
  }
}
