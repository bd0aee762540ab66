import type { LedgerRecord } from "@callgate/core";
import { toolName } from "./render/records.ts";

/** What records come to. Calls are counted by their decision: intents (run) and denials. */
export interface Statistics {
  readonly records: number;
  readonly calls: number;
  readonly run: number;
  readonly denied: number;
  readonly held: number;
  /** ISO 8601 of the first and the last record. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly statuses: Counts;
  readonly deniedTools: Counts;
  readonly deniedRules: Counts;
  readonly errors: Counts;
  /** Slowest first, by p95. */
  readonly tools: readonly ToolTimes[];
  readonly agents: readonly Activity[];
  /** Costliest first: by their cost where it is known, then by the time that their calls took. */
  readonly sessions: readonly Activity[];
  /** Every hour that had a call, by its first moment. */
  readonly hours: readonly { readonly hour: string; readonly calls: number; readonly denied: number }[];
}

/** The most frequent first. */
export type Counts = readonly { readonly name: string; readonly count: number }[];

/** Milliseconds that a tool's calls took. */
export interface ToolTimes {
  readonly tool: string;
  readonly calls: number;
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

/** What an agent or a session did. */
export interface Activity {
  readonly name: string;
  /** Whose session it is. */
  readonly agent: string | undefined;
  readonly calls: number;
  readonly denied: number;
  readonly errors: number;
  /** Milliseconds that its calls took, in all. */
  readonly ms: number;
  /** Cost units before its newest call, where the record has them. */
  readonly cost: number | undefined;
}

type Tally = { -readonly [key in keyof Activity]: Activity[key] } & { newest: number };

const HOUR = 3_600_000;
/** Sessions whose cost is looked up: those with the most calls. */
const COSTED = 2000;

/** Counts records, whatever their order. `costOf` gives the cost that a session had by the call of a record. */
export class Counting {
  #records = 0;
  #run = 0;
  #denied = 0;
  #held = 0;
  #from: string | undefined;
  #to: string | undefined;
  readonly #statuses = new Map<string, number>();
  readonly #deniedTools = new Map<string, number>();
  readonly #deniedRules = new Map<string, number>();
  readonly #errors = new Map<string, number>();
  readonly #times = new Map<string, number[]>();
  readonly #agents = new Map<string, Tally>();
  readonly #sessions = new Map<string, Tally>();
  readonly #hours = new Map<number, { calls: number; denied: number }>();

  add(record: LedgerRecord): void {
    const { kind, ts, agent, session, status, error } = record;
    this.#records++;
    if (this.#from === undefined || ts < this.#from) this.#from = ts;
    if (this.#to === undefined || ts > this.#to) this.#to = ts;
    const tallies = [
      ...(agent === undefined ? [] : [tallyOf(this.#agents, agent, undefined)]),
      ...(session === undefined ? [] : [tallyOf(this.#sessions, session, agent)]),
    ];
    if (error) count(this.#errors, error.code);
    if (kind === "approval" && record.detail?.["state"] === "asked") this.#held++;
    if (kind === "intent" || kind === "denial") this.#decided(record, tallies);
    if (kind !== "outcome") return;
    if (status !== undefined) count(this.#statuses, status);
    for (const tally of tallies) {
      if (status !== "ok") tally.errors++;
      tally.ms += record.ms ?? 0;
    }
    if (record.ms === undefined) return;
    const tool = toolName(record);
    const times = this.#times.get(tool);
    if (times) times.push(record.ms);
    else this.#times.set(tool, [record.ms]);
  }

  #decided(record: LedgerRecord, tallies: readonly Tally[]): void {
    const denied = record.kind === "denial";
    if (denied) this.#denied++;
    else this.#run++;
    const hour = Math.floor(Date.parse(record.ts) / HOUR) * HOUR;
    const bucket = this.#hours.get(hour) ?? { calls: 0, denied: 0 };
    this.#hours.set(hour, bucket);
    for (const one of [bucket, ...tallies]) {
      one.calls++;
      if (denied) one.denied++;
    }
    for (const tally of tallies) tally.newest = Math.max(tally.newest, record.seq);
    if (!denied) return;
    count(this.#deniedTools, toolName(record));
    for (const rule of record.decision?.rules ?? []) count(this.#deniedRules, rule);
  }

  /** What it came to, the first `top` of everything that is in an order. */
  report(costOf: (seq: number) => number | undefined, top: number): Statistics {
    const busiest = (tallies: Map<string, Tally>): Tally[] => [...tallies.values()].sort((a, b) => b.calls - a.calls);
    const sessions = busiest(this.#sessions)
      .slice(0, COSTED)
      .map((tally) => ({ ...tally, cost: tally.newest === 0 ? undefined : costOf(tally.newest) }))
      .sort((a, b) => (b.cost ?? -1) - (a.cost ?? -1) || b.ms - a.ms || b.calls - a.calls);
    const plain = ({ newest: _, ...activity }: Tally): Activity => activity;
    return {
      records: this.#records,
      calls: this.#run + this.#denied,
      run: this.#run,
      denied: this.#denied,
      held: this.#held,
      from: this.#from,
      to: this.#to,
      statuses: sorted(this.#statuses, top),
      deniedTools: sorted(this.#deniedTools, top),
      deniedRules: sorted(this.#deniedRules, top),
      errors: sorted(this.#errors, top),
      tools: [...this.#times]
        .map(([tool, times]) => timesOf(tool, times))
        .sort((a, b) => b.p95 - a.p95 || b.max - a.max)
        .slice(0, top),
      agents: busiest(this.#agents).slice(0, top).map(plain),
      sessions: sessions.slice(0, top).map(plain),
      hours: [...this.#hours]
        .sort(([a], [b]) => a - b)
        .map(([hour, counts]) => ({ hour: new Date(hour).toISOString(), ...counts })),
    };
  }
}

function tallyOf(tallies: Map<string, Tally>, name: string, agent: string | undefined): Tally {
  let tally = tallies.get(name);
  if (!tally) {
    tally = { name, agent, calls: 0, denied: 0, errors: 0, ms: 0, cost: undefined, newest: 0 };
    tallies.set(name, tally);
  }
  return tally;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sorted(counts: Map<string, number>, top: number): Counts {
  return [...counts]
    .map(([name, n]) => ({ name, count: n }))
    .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
    .slice(0, top);
}

function timesOf(tool: string, times: number[]): ToolTimes {
  times.sort((a, b) => a - b);
  // Nearest rank.
  const at = (q: number): number => times[Math.max(0, Math.ceil(q * times.length) - 1)] as number;
  return { tool, calls: times.length, p50: at(0.5), p95: at(0.95), max: at(1) };
}
