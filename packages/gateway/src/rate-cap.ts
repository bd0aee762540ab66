import type { Reason } from "@callgate/core";
import { MinuteCount } from "./budget.ts";

/** How many calls a minute a policy permits to one agent. */
export interface RateCap {
  readonly rule: string;
  readonly callsPerMinute: number;
}

/** Agents are known and policies few: so many windows are none that anyone needs. */
const MAX_WINDOWS = 10_000;

/** Counts, for each agent and rule, the calls of the last minute that the rule permitted. Its memory is bounded. */
export class RateCaps {
  #windows = new Map<string, MinuteCount>();

  /** Counts one call under every cap, or says which it would go over and counts it under none. Give back a call that is not made. */
  take(agent: string, caps: readonly RateCap[], now: number): { giveBack(): void } | { readonly refused: Reason } {
    const windows = new Set<MinuteCount>();
    for (const { rule, callsPerMinute } of caps) {
      const window = this.#window(`${rule}\0${agent}`, now);
      const message = `\`${agent}\` made ${callsPerMinute} calls in the last minute, as many as the policy permits`;
      if (!window || window.count(now) >= callsPerMinute)
        return { refused: { rule, message, remedy: `wait ${window?.wait() ?? 60} s, then try again` } };
      windows.add(window);
    }
    for (const window of windows) window.add(now, 1);
    let open = true;
    return {
      giveBack: () => {
        if (open) for (const window of windows) window.add(now, -1);
        open = false;
      },
    };
  }

  /** Undefined when there is no room for one more: what cannot be counted MUST NOT be let through. */
  #window(key: string, now: number): MinuteCount | undefined {
    const known = this.#windows.get(key);
    if (known) return known;
    if (this.#windows.size >= MAX_WINDOWS)
      for (const [other, window] of this.#windows) if (window.count(now) === 0) this.#windows.delete(other);
    if (this.#windows.size >= MAX_WINDOWS) return undefined;
    const window = new MinuteCount();
    this.#windows.set(key, window);
    return window;
  }
}
