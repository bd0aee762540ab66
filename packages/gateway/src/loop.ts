import type { LoopFacts } from "@callgate/core";
import type { LoopConfig } from "./config/types.ts";

interface Step {
  readonly call: string;
  readonly key: string;
  readonly at: number;
  result: string | undefined;
}

const LONGEST_PERIOD = 4;
/** Steps kept for counting repeats, at the most: older ones no longer count even inside the window. */
const MAX_STEPS = 4096;
/** Dropped at once, so that a busy session does not move the whole list on every call. */
const SLACK = 1024;

/** What a session did lately: finds the same call again and again, and rounds of two to four calls that change nothing. */
export class LoopTrail {
  #steps: Step[] = [];
  #counts = new Map<string, number>();

  /** Looks at a call that is about to be made, without counting it. `key` names tool and canonical arguments. */
  look(key: string, now: number, config: LoopConfig): LoopFacts {
    this.#forget(now - config.window);
    const repeats = (this.#counts.get(key) ?? 0) + 1;
    return { repeats, period: this.#period(key, config.cycles), sameResult: repeats > 1 && this.#sameResult(key) };
  }

  /** Counts a call that was admitted. */
  push(call: string, key: string, now: number): void {
    this.#steps.push({ call, key, at: now, result: undefined });
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    if (this.#steps.length > MAX_STEPS + SLACK) this.#drop(SLACK);
  }

  /** Notes what a call gave, so that unchanged results can be told. */
  settle(call: string, result: string): void {
    for (let i = this.#steps.length - 1; i >= 0; i--) {
      const step = this.#steps[i] as Step;
      if (step.call !== call) continue;
      step.result = result;
      return;
    }
  }

  /** Takes back a call that was denied after all. */
  remove(call: string): void {
    const at = this.#steps.findLastIndex((s) => s.call === call);
    if (at < 0) return;
    this.#uncount((this.#steps[at] as Step).key);
    this.#steps.splice(at, 1);
  }

  #forget(before: number): void {
    let n = 0;
    while (n < this.#steps.length && (this.#steps[n] as Step).at < before) n++;
    if (n >= SLACK || (n > 0 && n === this.#steps.length) || (n > 0 && this.#steps.length < SLACK)) this.#drop(n);
  }

  #drop(n: number): void {
    for (const step of this.#steps.splice(0, n)) this.#uncount(step.key);
  }

  #uncount(key: string): void {
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  /** The period of a cycle that went round `cycles` times with the same results and that this call would begin anew; 0 if none. */
  #period(key: string, cycles: number): number {
    if (cycles <= 0) return 0;
    const s = this.#steps;
    for (let p = 2; p <= LONGEST_PERIOD; p++) {
      const need = p * cycles;
      if (s.length < need || s[s.length - p]?.key !== key) continue;
      const tail = s.slice(-need);
      if (new Set(tail.slice(0, p).map((t) => t.key)).size < 2) continue;
      const turns = tail.every(
        (t, i) => t.result !== undefined && t.key === tail[i % p]?.key && t.result === tail[i % p]?.result,
      );
      if (turns) return p;
    }
    return 0;
  }

  #sameResult(key: string): boolean {
    const results = this.#steps.filter((s) => s.key === key).map((s) => s.result);
    return results.every((r) => r !== undefined && r === results[0]);
  }
}
