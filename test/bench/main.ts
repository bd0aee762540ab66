/**
 * Governed calls beside direct ones, in one run. `node test/bench/main.ts [--quick] [--long] [--json | --markdown]
 * [--routes direct,proxy,governed,unsynced,stdio] [--era modern|legacy] [--folder <folder on the ledger's disk>]`.
 * Ends with 1 if any answer was wrong, or a call went round the checks. Figures alone never fail a run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { messageOf } from "@callgate/core";
import { DIRECT, DURABLE, PROXY, UNSYNCED, verdictsOf } from "./aims.ts";
import { type Broker, startBroker, stdioBroker } from "./broker.ts";
import { type Child, rssOf, startChild } from "./child.ts";
import { measureFsync } from "./fsync.ts";
import { Generator } from "./generator.ts";
import { type Cell, type Effort, type Endurance, measureCells, measureEndurance, type Route } from "./measure.ts";
import { proveGoverned, upstreamCalls } from "./probes.ts";
import { type BenchReport, machine, markdownOf, textOf } from "./report.ts";
import { GOVERNED_TOOL, type Sync } from "./setup.ts";
import type { Latency } from "./stats.ts";
import { measureStdio, type StdioCell, type StdioRoute } from "./stdio-measure.ts";
import { ECHO } from "./tool.ts";
import { ERAS, type Era } from "./wire.ts";

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const READY = /^ready \S+$/;
const ROUTES = ["direct", "proxy", "governed", "unsynced", "stdio"];

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    long: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    routes: { type: "string", default: ROUTES.join(",") },
    era: { type: "string" },
    folder: { type: "string", default: tmpdir() },
  },
});

/** Short enough for a person to wait for, long enough for a p99 of 1,000 calls a round. */
function effortOf(concurrency: number): Effort {
  if (options.quick) return { rounds: 1, calls: 20 * concurrency, maxMs: 10_000, warmup: 2 * concurrency };
  if (concurrency === 1) return { rounds: 7, calls: 1000, maxMs: 5000, warmup: 1000 };
  return { rounds: 7, calls: 10_000, maxMs: 5000, warmup: 5000 };
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function routeOf(name: string, child: Child, tool: string, url: string, token?: string): Route {
  return { name, child, target: (era) => ({ url, era, tool, ...(token === undefined ? {} : { token }) }) };
}

async function run(
  folder: string,
  wanted: ReadonlySet<string>,
  eras: readonly Era[],
  children: Child[],
): Promise<BenchReport> {
  const start = async (args: readonly string[]): Promise<Child> => {
    const child = await startChild(args, READY);
    children.push(child);
    return child;
  };
  const upstream = await start([here("upstream.ts")]);
  const upstreamUrl = upstream.ready.slice("ready ".length);
  const routes: Route[] = [routeOf(DIRECT, upstream, ECHO.name, upstreamUrl)];
  if (wanted.has("proxy")) {
    const proxy = await start([here("proxy.ts"), upstreamUrl]);
    routes.push(routeOf(PROXY, proxy, ECHO.name, proxy.ready.slice("ready ".length)));
  }
  const brokers = new Map<string, Broker>();
  for (const [name, option, sync] of [
    [DURABLE, "governed", "full"],
    [UNSYNCED, "unsynced", "off"],
  ] as const satisfies readonly (readonly [string, string, Sync])[]) {
    if (!wanted.has(option)) continue;
    note(`starting the broker, ledger sync ${sync}`);
    const broker = await startBroker(join(folder, option), { url: upstreamUrl }, sync);
    children.push(broker.child);
    brokers.set(name, broker);
    routes.push(routeOf(name, broker.child, GOVERNED_TOOL, broker.url, broker.token));
  }
  const startRss = Object.fromEntries(routes.map((route) => [route.name, rssOf(route.child.pid)]));
  const governed = routes.filter((route) => brokers.has(route.name));
  const prove = async () => {
    for (const route of governed) for (const era of eras) await proveGoverned(route.target(era), upstreamUrl);
  };
  await prove();

  const ledgerBefore = brokers.get(DURABLE)?.ledgerBytes();
  const callsBefore = await upstreamCalls(upstreamUrl);
  const generator = new Generator();
  const fsync: Latency[] = [];
  const cells: Cell[] = [];
  const stdio: StdioCell[] = [];
  let endurance: Endurance | undefined;
  const sampleFsync = () => fsync.push(measureFsync(folder, options.quick ? 20 : 300));
  try {
    for (const era of eras) {
      for (const concurrency of options.quick ? [1, 16] : [1, 16, 64, 256]) {
        note(`${era}, ${concurrency} in flight`);
        sampleFsync();
        cells.push(...(await measureCells(generator, routes, era, concurrency, effortOf(concurrency))));
      }
    }
    const durable = routes.find((route) => route.name === DURABLE);
    if (options.long && durable) {
      note("200,000 calls for memory");
      endurance = await measureEndurance(generator, durable, 64, 10, 20_000);
    }
  } finally {
    generator.end();
  }
  sampleFsync();

  // Every call that a client got an answer to must have run at the upstream, once: no cache, no duplicate.
  const ran = (await upstreamCalls(upstreamUrl)) - callsBefore;
  if (ran !== generator.calls) throw new Error(`${generator.calls} calls were answered but the upstream ran ${ran}`);
  const durableCalls = generator.callsOf(DURABLE);
  const ledgerAfter = brokers.get(DURABLE)?.ledgerBytes();
  if (ledgerAfter !== undefined && ledgerBefore !== undefined && ledgerAfter - ledgerBefore < 100 * durableCalls) {
    throw new Error(`${durableCalls} governed calls left only ${ledgerAfter - ledgerBefore} bytes in the ledger`);
  }
  await prove();

  if (wanted.has("stdio")) {
    const script = here("stdio-upstream.ts");
    const ways: StdioRoute[] = [{ name: DIRECT, args: [script], tool: ECHO.name }];
    if (wanted.has("governed")) ways.push(stdioRoute(DURABLE, join(folder, "stdio-governed"), script, "full"));
    if (wanted.has("unsynced")) ways.push(stdioRoute(UNSYNCED, join(folder, "stdio-unsynced"), script, "off"));
    const effort = options.quick ? { rounds: 1, calls: 20, warmup: 2 } : { rounds: 7, calls: 1000, warmup: 1000 };
    for (const era of eras) {
      note(`stdio, ${era}`);
      stdio.push(...(await measureStdio(ways, era, effort)));
    }
  }
  const ledgerBytesACall =
    ledgerAfter === undefined || ledgerBefore === undefined ? undefined : (ledgerAfter - ledgerBefore) / durableCalls;
  const fsyncP50 = fsync.map((latency) => latency.p50).toSorted((a, b) => a - b)[fsync.length >> 1] as number;
  const aims = options.quick ? [] : verdictsOf(cells, stdio, fsyncP50, endurance);
  return { machine: machine(), quick: options.quick, fsync, cells, stdio, endurance, startRss, ledgerBytesACall, aims };
}

function stdioRoute(name: string, folder: string, script: string, sync: Sync): StdioRoute {
  return { name, args: stdioBroker(folder, { script }, sync), tool: GOVERNED_TOOL };
}

async function main(): Promise<void> {
  const wanted = new Set(options.routes.split(","));
  const unknown = [...wanted].find((name) => !ROUTES.includes(name));
  if (unknown !== undefined) throw new Error(`unknown route \`${unknown}\`\nhelp: choose from ${ROUTES.join(", ")}`);
  const eras = ERAS.filter((era) => options.era === undefined || era === options.era);
  if (eras.length === 0) throw new Error(`unknown era \`${options.era}\`\nhelp: choose modern or legacy`);
  const folder = mkdtempSync(join(options.folder, "callgate-bench-"));
  const children: Child[] = [];
  // An interrupted bench leaves nothing behind: what it started is killed as it exits.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  try {
    const report = await run(folder, wanted, eras, children);
    const text = options.json
      ? JSON.stringify(report, null, 2)
      : options.markdown
        ? markdownOf(report)
        : textOf(report);
    console.log(text);
  } finally {
    // The brokers go before the upstream that they are connected to.
    for (const child of children.toReversed()) await child.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  console.error(`bench failed: ${messageOf(error)}`);
  process.exitCode = 1;
});
