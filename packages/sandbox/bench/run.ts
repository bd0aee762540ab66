// What one call of untrusted code costs: Callgate's sandbox beside quickjs-emscripten, node:vm, a thread a call, a process a call.
//   node packages/sandbox/bench/run.ts [--json]
// Every contender gets the same small function and the same input as JSON, and starts from nothing that an earlier call
// touched. Three rounds, interleaved; of each contender the round with the lowest median is shown.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { createContext, runInContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { getQuickJS } from "quickjs-emscripten";
import { openSandbox } from "../src/index.ts";

interface Figures {
  readonly name: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly perSecond: number;
}

const LIMITS = [
  "a cold start, large modules, code that computes for long",
  "other work on the machine: the figures are of one broker alone, on the cores named above",
  "isolation: node:vm has none, a thread shares its process's rights, quickjs shares the broker's process and thread",
  "other machines: on a host where processes wake slowly, a call that crosses a pipe costs more",
];

const rss = (): number => Number(/VmRSS:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? 0) / 1024;

/** `callers` at once; `pauseMs` after each call, as an agent makes one. */
async function measure(name: string, calls: number, call: () => unknown, callers = 1, pauseMs = 0): Promise<Figures> {
  const took: number[] = [];
  const begun = performance.now();
  const caller = async (): Promise<void> => {
    for (let i = 0; i < calls / callers; i++) {
      const from = performance.now();
      const value = await call();
      took.push(performance.now() - from);
      if (String(value) !== "42") throw new Error(`${name} answered ${String(value)}`);
      if (pauseMs > 0) await new Promise((done) => setTimeout(done, pauseMs));
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const perSecond = took.length / ((performance.now() - begun) / 1000);
  took.sort((a, b) => a - b);
  const at = (q: number): number => took[Math.min(took.length - 1, Math.floor(took.length * q))] as number;
  return { name, p50Ms: at(0.5), p99Ms: at(0.99), perSecond };
}

const SOURCE = "(x) => x.a + 1";
const INPUT = JSON.stringify({ a: 41 });

const sandbox = await openSandbox({ workers: availableParallelism() });
const sandboxed = async (): Promise<string> => {
  const result = await sandbox.run({ kind: "module", code: `export default ${SOURCE}`, input: { a: 41 } });
  return result.ok ? result.value : result.error.code;
};
const quickjs = await getQuickJS();
const inQuickjs = (): string => {
  const context = quickjs.newContext();
  const handle = context.unwrapResult(
    context.evalCode(`JSON.stringify((${SOURCE})(JSON.parse(${JSON.stringify(INPUT)})))`),
  );
  const value = context.getString(handle);
  handle.dispose();
  context.dispose();
  return value;
};
const inVm = (): string =>
  String(runInContext(`JSON.stringify((${SOURCE})(JSON.parse(${JSON.stringify(INPUT)})))`, createContext({})));
const WORKER = `const { parentPort, workerData } = require("node:worker_threads");
parentPort.postMessage(JSON.stringify((${SOURCE})(JSON.parse(workerData))))`;
const inThread = async (): Promise<string> => {
  const worker = new Worker(WORKER, { eval: true, workerData: INPUT });
  const [value] = (await once(worker, "message")) as [string];
  await worker.terminate();
  return value;
};
const inProcess = (): Promise<string> =>
  new Promise((done, failed) => {
    const code = `console.log(JSON.stringify((${SOURCE})(JSON.parse(process.argv[1]))))`;
    execFile(process.execPath, ["--eval", code, INPUT], (error, out) =>
      error === null ? done(out.trim()) : failed(new Error(error.message)),
    );
  });

for (let i = 0; i < 200; i++) await sandboxed();
for (let i = 0; i < 20; i++) {
  inQuickjs();
  inVm();
}

const rounds: Figures[][] = [];
for (let round = 0; round < 3; round++)
  rounds.push([
    await measure("sandbox, 5 ms between calls", 300, sandboxed, 1, 5),
    await measure("sandbox, back to back", 1_000, sandboxed),
    await measure("sandbox, 4 callers at once", 2_000, sandboxed, 4),
    await measure("quickjs-emscripten, a context a call", 300, inQuickjs),
    await measure("node:vm, a context a call (unsafe)", 500, inVm),
    await measure("worker thread a call", 60, inThread),
    await measure("process a call", 30, inProcess),
  ]);
const best = (rounds[0] as Figures[]).map((_, i) =>
  rounds.map((round) => round[i] as Figures).reduce((a, b) => (b.p50Ms < a.p50Ms ? b : a)),
);

const INNER = 3_000;
let innerUs = Number.POSITIVE_INFINITY;
for (let round = 0; round < 3; round++) {
  const result = await sandbox.run({
    kind: "script",
    code: `for (let i = 0; i < ${INNER}; i++) await tools.a.b({ i })`,
    tools: { a: ["b"] },
    budgets: { calls: INNER, cpuMs: 10_000 },
    onCall: async () => ({ result: 1 }),
  });
  if (!result.ok) throw new Error(result.error.message);
  innerUs = Math.min(innerUs, (result.usage.wallMs * 1_000) / INNER);
}
// Long enough to be sampled.
const still = await sandbox.run({ kind: "script", code: "await new Promise((y) => setTimeout(y, 60))" });
const workerRssMb = still.usage.peakRssMb;
const threadsBefore = rss();
const threads = Array.from({ length: 4 }, () => new Worker("setInterval(() => {}, 1e6)", { eval: true }));
await Promise.all(threads.map((t) => new Promise((done) => t.once("online", done))));
const threadRssMb = (rss() - threadsBefore) / 4;
await Promise.all(threads.map((t) => t.terminate()));
const layers = sandbox.layers.map((l) => `${l.layer}: ${l.inForce ? l.detail : "not in force"}`);
await sandbox.close();

const paced = best[0] as Figures;
const report = {
  cores: availableParallelism(),
  node: process.version,
  layers,
  figures: best,
  ratiosToPacedSandbox: Object.fromEntries(best.slice(3).map((f) => [f.name, f.p50Ms / paced.p50Ms])),
  innerCallUs: innerUs,
  workerRssMb,
  threadRssMb,
  doesNotShow: LIMITS,
};
if (process.argv.includes("--json")) console.log(JSON.stringify(report, undefined, 2));
else {
  console.log(`${report.cores} cores, Node ${report.node}\n${layers.map((l) => `  ${l}`).join("\n")}\n`);
  for (const f of best)
    console.log(
      `${f.name.padEnd(38)} p50 ${f.p50Ms.toFixed(3).padStart(8)} ms  p99 ${f.p99Ms.toFixed(3).padStart(8)} ms  ${f.perSecond.toFixed(0).padStart(6)} calls/s`,
    );
  console.log(`\none tool call from inside a guest, one after another: ${innerUs.toFixed(1)} us`);
  console.log(`memory: ${workerRssMb} MB a sandbox worker, ${threadRssMb.toFixed(0)} MB a worker thread`);
  for (const [name, ratio] of Object.entries(report.ratiosToPacedSandbox))
    console.log(`${name}: ${ratio.toFixed(2)} times the median of a sandboxed call with pauses`);
  console.log(`\nDoes not show:\n${LIMITS.map((l) => `- ${l}`).join("\n")}`);
}
