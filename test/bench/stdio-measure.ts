import { median } from "./stats.ts";
import { StdioClient } from "./stdio-client.ts";
import type { Era } from "./wire.ts";

/** One way to the tool over stdio. */
export interface StdioRoute {
  readonly name: string;
  /** What `node` is started with. */
  readonly args: readonly string[];
  readonly tool: string;
}

/** Latencies in microseconds, over all rounds; `added` beside the first route in the same round. */
export interface StdioCell {
  readonly era: Era;
  readonly route: string;
  readonly calls: number;
  readonly p50: number;
  readonly p99: number;
  readonly addedP50: number | undefined;
}

/** Paired rounds over stdio, one call in flight. The first route is the one compared with. */
export async function measureStdio(
  routes: readonly StdioRoute[],
  era: Era,
  effort: { readonly rounds: number; readonly calls: number; readonly warmup: number },
): Promise<readonly StdioCell[]> {
  const clients: StdioClient[] = [];
  try {
    for (const route of routes) clients.push(await StdioClient.open(route.args, era, route.tool));
    for (const client of clients) await client.round(effort.warmup);
    const rounds = routes.map((): { p50: number; p99: number }[] => []);
    for (let round = 0; round < effort.rounds; round++) {
      for (let i = 0; i < clients.length; i++) {
        const at = (i + round) % clients.length;
        rounds[at]?.push(await (clients[at] as StdioClient).round(effort.calls));
      }
    }
    const base = rounds[0] ?? [];
    return routes.map((route, at) => {
      const own = rounds[at] ?? [];
      return {
        era,
        route: route.name,
        calls: own.length * effort.calls,
        p50: median(own.map((latency) => latency.p50)),
        p99: median(own.map((latency) => latency.p99)),
        addedP50: at === 0 ? undefined : median(own.map((mine, round) => mine.p50 - (base[round]?.p50 ?? Number.NaN))),
      };
    });
  } finally {
    for (const client of clients) await client.close();
  }
}
