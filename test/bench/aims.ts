import type { Cell, Endurance } from "./measure.ts";
import type { Verdict } from "./report.ts";
import type { StdioCell } from "./stdio-measure.ts";

/** The names of the routes, as they stand in the tables. */
export const DIRECT = "direct";
export const PROXY = "plain proxy";
export const DURABLE = "governed";
export const UNSYNCED = "governed, no sync";

function most(what: string, limit: number, unit: string, found: number | undefined): Verdict[] {
  if (found === undefined) return [];
  return [{ what, aim: `at most ${limit} ${unit}`, found: `${found.toFixed(0)} ${unit}`, met: found <= limit }];
}

function least(what: string, limit: number, unit: string, found: number | undefined): Verdict[] {
  if (found === undefined) return [];
  return [{ what, aim: `at least ${limit} ${unit}`, found: `${found.toFixed(0)} ${unit}`, met: found >= limit }];
}

/** Growth of memory over the second half of a long run, as a share: the first half may still fill caches. */
function growth(rss: readonly number[]): number | undefined {
  const middle = rss[rss.length >> 1];
  const last = rss.at(-1);
  return rss.length < 4 || middle === undefined || last === undefined ? undefined : (last / middle - 1) * 100;
}

/** Holds the figures against what the broker is meant to reach on a small machine. Figures that were not taken are left out. */
export function verdictsOf(
  cells: readonly Cell[],
  stdio: readonly StdioCell[],
  fsyncP50: number,
  endurance: Endurance | undefined,
): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  for (const era of ["modern", "legacy"] as const) {
    const at = (route: string, concurrency: number) =>
      cells.find((cell) => cell.era === era && cell.route === route && cell.concurrency === concurrency);
    const busy = at(DURABLE, 64);
    const overStdio = (route: string) => stdio.find((cell) => cell.era === era && cell.route === route)?.addedP50;
    const share = busy?.share && busy.share.median * 100;
    verdicts.push(
      ...least(`${era}: governed throughput, 64 in flight`, 10_000, "calls/s", busy?.perSecond.median),
      ...least(`${era}: throughput beside direct, 64 in flight`, 20, "%", share),
      ...most(`${era}: broker CPU a call, 64 in flight`, 90, "us", busy?.cpu),
      ...most(`${era}: added p50, durable`, 600, "us", at(DURABLE, 1)?.addedP50),
      ...most(`${era}: added p50, no sync`, 250, "us", at(UNSYNCED, 1)?.addedP50),
      ...most(`${era}: added p50 over stdio, durable`, 150 + Math.round(fsyncP50), "us", overStdio(DURABLE)),
      ...most(`${era}: added p50 over stdio, no sync`, 150, "us", overStdio(UNSYNCED)),
    );
  }
  const rss = cells.flatMap((cell) => (cell.route === DURABLE && cell.rss !== undefined ? [cell.rss] : []));
  const highest = [...rss, ...(endurance?.rss ?? [])];
  if (highest.length > 0) verdicts.push(...most("broker memory, highest seen", 200, "MB", Math.max(...highest) / 1e6));
  if (endurance) verdicts.push(...most("memory growth over the long run's second half", 5, "%", growth(endurance.rss)));
  return verdicts;
}
