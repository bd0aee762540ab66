import { type Child, cpuOf, rssOf } from "./child.ts";
import type { Target } from "./client.ts";
import type { Generator } from "./generator.ts";
import { median, type Spread, spreadOf } from "./stats.ts";
import type { Era } from "./wire.ts";

/** One way to the tool, and the process that answers there. */
export interface Route {
  readonly name: string;
  readonly child: Child;
  target(era: Era): Target;
}

/** How long a cell's rounds are. */
export interface Effort {
  readonly rounds: number;
  readonly calls: number;
  readonly maxMs: number;
  /** Calls before the first round, so that both sides run compiled code. */
  readonly warmup: number;
}

/** One route at one concurrency, over all rounds. Latencies and CPU are in microseconds. */
export interface Cell {
  readonly era: Era;
  readonly concurrency: number;
  readonly route: string;
  readonly calls: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly perSecond: Spread;
  /** CPU a call of the route's own process; undefined where there is no /proc. */
  readonly cpu: number | undefined;
  /** CPU a call of the load generator: what the machine had to spend to ask. */
  readonly loadCpu: number;
  /** Beside the direct route in the same round, the median over rounds; undefined for the direct route. */
  readonly addedP50: number | undefined;
  readonly addedP99: number | undefined;
  /** Throughput as a share of the direct route's in the same round. */
  readonly share: Spread | undefined;
  readonly rss: number | undefined;
}

interface Sample {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
  readonly perSecond: number;
  readonly cpu: number | undefined;
  readonly loadCpu: number;
  readonly calls: number;
}

async function sampleOf(generator: Generator, route: Route, calls: number, maxMs: number): Promise<Sample> {
  const before = cpuOf(route.child.pid);
  const round = await generator.round(route.name, calls, maxMs);
  const after = cpuOf(route.child.pid);
  return {
    ...round.latency,
    perSecond: (round.calls / round.ms) * 1000,
    cpu: before === undefined || after === undefined ? undefined : (after - before) / round.calls,
    loadCpu: round.cpu,
    calls: round.calls,
  };
}

/**
 * Measures every route at one concurrency, in rounds: each round runs every route once, and each round begins with another
 * route, so that what the machine does meanwhile falls on all of them. The first route is the one compared with.
 */
export async function measureCells(
  generator: Generator,
  routes: readonly Route[],
  era: Era,
  concurrency: number,
  effort: Effort,
): Promise<readonly Cell[]> {
  const samples = new Map<Route, Sample[]>(routes.map((route) => [route, []]));
  try {
    for (const route of routes) await generator.open(route.name, route.target(era), concurrency);
    for (const route of routes) await generator.round(route.name, effort.warmup, effort.maxMs);
    for (let round = 0; round < effort.rounds; round++) {
      for (let i = 0; i < routes.length; i++) {
        const route = routes[(i + round) % routes.length] as Route;
        samples.get(route)?.push(await sampleOf(generator, route, effort.calls, effort.maxMs));
      }
    }
  } finally {
    for (const route of routes) await generator.close(route.name).catch(() => {});
  }
  const base = samples.get(routes[0] as Route) ?? [];
  return routes.map((route) => cellOf(route, era, concurrency, samples.get(route) ?? [], base));
}

function cellOf(route: Route, era: Era, concurrency: number, own: readonly Sample[], base: readonly Sample[]): Cell {
  const paired = (difference: (mine: Sample, direct: Sample) => number): number[] | undefined =>
    own === base ? undefined : own.map((sample, round) => difference(sample, base[round] as Sample));
  const addedP50 = paired((mine, direct) => mine.p50 - direct.p50);
  const addedP99 = paired((mine, direct) => mine.p99 - direct.p99);
  const share = paired((mine, direct) => mine.perSecond / direct.perSecond);
  const cpu = own.flatMap((sample) => (sample.cpu === undefined ? [] : [sample.cpu]));
  return {
    era,
    concurrency,
    route: route.name,
    calls: own.reduce((sum, sample) => sum + sample.calls, 0),
    p50: median(own.map((sample) => sample.p50)),
    p90: median(own.map((sample) => sample.p90)),
    p99: median(own.map((sample) => sample.p99)),
    max: Math.max(...own.map((sample) => sample.max)),
    perSecond: spreadOf(own.map((sample) => sample.perSecond)),
    // The kernel counts CPU in ticks of 10 ms: the mean over all rounds is exact to a tick, one round's is not.
    cpu: cpu.length === 0 ? undefined : cpu.reduce((sum, value) => sum + value, 0) / cpu.length,
    loadCpu: median(own.map((sample) => sample.loadCpu)),
    addedP50: addedP50 && median(addedP50),
    addedP99: addedP99 && median(addedP99),
    share: share && spreadOf(share),
    rss: rssOf(route.child.pid),
  };
}

/** Memory over a long run: sampled after every block of calls. */
export interface Endurance {
  readonly route: string;
  readonly calls: number;
  readonly perSecond: number;
  /** Resident bytes before the first call, then after each block; empty where there is no /proc. */
  readonly rss: readonly number[];
}

export async function measureEndurance(
  generator: Generator,
  route: Route,
  concurrency: number,
  blocks: number,
  blockCalls: number,
): Promise<Endurance> {
  const rss: number[] = [];
  const note = () => {
    const bytes = rssOf(route.child.pid);
    if (bytes !== undefined) rss.push(bytes);
  };
  await generator.open(route.name, route.target("modern"), concurrency);
  let calls = 0;
  let ms = 0;
  note();
  try {
    for (let block = 0; block < blocks; block++) {
      const round = await generator.round(route.name, blockCalls, 300_000);
      calls += round.calls;
      ms += round.ms;
      note();
    }
  } finally {
    await generator.close(route.name);
  }
  return { route: route.name, calls, perSecond: (calls / ms) * 1000, rss };
}
