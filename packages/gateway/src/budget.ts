import { type BudgetFacts, compileGlobs, type Reason } from "@callgate/core";
import type { BudgetConfig, BudgetLimits } from "./config/types.ts";

/** Counters of one ceiling. */
interface Meter {
  readonly what: string;
  readonly limits: BudgetLimits;
  calls: number;
  cost: number;
  running: number;
  readonly minute: MinuteCount;
}

/** Calls in the last sixty seconds, in steps of one second: the same small size however many there are. */
export class MinuteCount {
  #buckets = new Uint32Array(60);
  #newest = 0;
  #total = 0;

  /** How many there are now; `now` is in milliseconds and never goes back far. */
  count(now: number): number {
    this.#advance(Math.floor(now / 1000));
    return this.#total;
  }

  add(now: number, by: 1 | -1): void {
    const second = Math.floor(now / 1000);
    this.#advance(second);
    // Given back after its second has left the window: nothing to take away.
    if (second <= this.#newest - 60) return;
    const slot = second % 60;
    if (by < 0 && this.#buckets[slot] === 0) return;
    this.#buckets[slot] = (this.#buckets[slot] as number) + by;
    this.#total += by;
  }

  /** Whole seconds until the oldest calls leave the window. */
  wait(): number {
    for (let s = this.#newest - 59; s <= this.#newest; s++)
      if ((this.#buckets[s % 60] as number) > 0) return s + 60 - this.#newest;
    return 1;
  }

  #advance(second: number): void {
    if (second <= this.#newest) return;
    const steps = Math.min(60, second - this.#newest);
    for (let i = 1; i <= steps; i++) {
      const slot = (this.#newest + i) % 60;
      this.#total -= this.#buckets[slot] as number;
      this.#buckets[slot] = 0;
    }
    if (steps === 60) {
      this.#buckets.fill(0);
      this.#total = 0;
    }
    this.#newest = second;
  }
}

/** What one call holds of every budget that applies to it. Settle or release it once. */
export interface Reservation {
  readonly facts: BudgetFacts;
  /** The shortest wall time that applies, in milliseconds; Infinity if none. */
  readonly wall: number;
  /** The call ran: it keeps what it took and frees its place. */
  settle(): void;
  /** The call was denied: everything is given back. */
  release(): void;
}

/** Ceilings of sessions, agents and tools: reserve, then settle or release. */
export class BudgetBook {
  #config: BudgetConfig;
  #meters = new Map<string, Meter>();
  #rules = new Map<string, readonly Meter[]>();

  constructor(config: BudgetConfig) {
    this.#config = config;
  }

  /** Takes changed ceilings; what was used stays used where a ceiling keeps its name. */
  reload(config: BudgetConfig): void {
    this.#config = config;
    const old = this.#meters;
    this.#meters = new Map();
    this.#rules.clear();
    this.#carried = old;
  }
  #carried: Map<string, Meter> | undefined;

  /** Reserves one call of `cost` units, or says which ceiling it would break. */
  reserve(
    session: string,
    agent: string,
    tool: string,
    own: BudgetLimits & { readonly cost?: number },
    cost: number,
    now: number,
  ): Reservation | Reason {
    const meters = this.#metersFor(session, agent, tool, own);
    for (const meter of meters) {
      const broken = exceeds(meter, cost, now);
      if (broken) return broken;
    }
    let callsLeft = Number.POSITIVE_INFINITY;
    let costLeft = Number.POSITIVE_INFINITY;
    let wall = Number.POSITIVE_INFINITY;
    for (const meter of meters) {
      meter.calls++;
      meter.cost += cost;
      meter.running++;
      meter.minute.add(now, 1);
      callsLeft = Math.min(callsLeft, (meter.limits.calls ?? Number.POSITIVE_INFINITY) - meter.calls);
      costLeft = Math.min(costLeft, (meter.limits.cost ?? Number.POSITIVE_INFINITY) - meter.cost);
      wall = Math.min(wall, meter.limits.wall ?? Number.POSITIVE_INFINITY);
    }
    let open = true;
    const end = (giveBack: boolean): void => {
      if (!open) return;
      open = false;
      for (const meter of meters) {
        meter.running--;
        if (!giveBack) continue;
        meter.calls--;
        meter.cost -= cost;
        meter.minute.add(now, -1);
      }
    };
    return {
      facts: { callsLeft: finite(callsLeft), costLeft: finite(costLeft) },
      wall,
      settle: () => end(false),
      release: () => end(true),
    };
  }

  /** Forgets a session that ended. */
  forget(session: string): void {
    const key = `session ${session}`;
    for (const meter of this.#meters.keys())
      if (meter === key || meter.startsWith(`${key} `)) this.#meters.delete(meter);
    for (const rule of this.#rules.keys()) if (rule.startsWith(`${session}\0`)) this.#rules.delete(rule);
  }

  #metersFor(session: string, agent: string, tool: string, own: BudgetLimits): readonly Meter[] {
    const key = `${session}\0${agent}\0${tool}`;
    const known = this.#rules.get(key);
    if (known) return known;
    const meters = [this.#meter(`session ${session}`, "this session", this.#config.session)];
    for (const rule of this.#config.agents)
      if (compileGlobs([rule.match])(agent))
        meters.push(this.#meter(`agent ${rule.match} ${agent}`, `agent \`${agent}\``, rule.limits));
    for (const rule of this.#config.tools)
      if (compileGlobs([rule.match])(tool))
        meters.push(this.#meter(`tool ${rule.match} ${tool}`, `tool \`${tool}\``, rule.limits));
    const { cost: _cost, ...ceilings } = own;
    if (Object.values(ceilings).some((v) => v !== undefined))
      meters.push(this.#meter(`session ${session} ${tool}`, `tool \`${tool}\``, ceilings));
    const limited = meters.filter((m) => Object.keys(m.limits).length > 0);
    this.#rules.set(key, limited);
    return limited;
  }

  #meter(key: string, what: string, limits: BudgetLimits): Meter {
    let meter = this.#meters.get(key);
    if (!meter) {
      const old = this.#carried?.get(key);
      meter = {
        what,
        limits,
        calls: old?.calls ?? 0,
        cost: old?.cost ?? 0,
        running: 0,
        minute: old?.minute ?? new MinuteCount(),
      };
      this.#meters.set(key, meter);
    }
    return meter;
  }
}

function finite(n: number): number {
  return Number.isFinite(n) ? n : -1;
}

function exceeds(meter: Meter, cost: number, now: number): Reason | undefined {
  const { limits, what } = meter;
  if (limits.calls !== undefined && meter.calls >= limits.calls)
    return {
      rule: "callgate/budget-calls",
      message: `${what} has used its ${limits.calls} calls`,
      remedy: "finish with what you have, or ask for a larger budget",
    };
  if (limits.cost !== undefined && meter.cost + cost > limits.cost)
    return {
      rule: "callgate/budget-cost",
      message: `this call costs ${cost} units and ${what} has ${limits.cost - meter.cost} of ${limits.cost} left`,
      remedy: "use a cheaper tool, or ask for a larger budget",
    };
  if (limits.concurrent !== undefined && meter.running >= limits.concurrent)
    return {
      rule: "callgate/budget-concurrent",
      message: `${what} already runs ${meter.running} calls at once`,
      remedy: "wait for one of them to finish, then try again",
    };
  if (limits.callsPerMinute !== undefined && meter.minute.count(now) >= limits.callsPerMinute)
    return {
      rule: "callgate/budget-rate",
      message: `${what} made ${limits.callsPerMinute} calls in the last minute`,
      remedy: `wait ${meter.minute.wait()} s, then try again`,
    };
  return undefined;
}
