// What one warm sandboxed call costs, beside node:vm (no isolation at all) and a bare process a call.
//   node packages/sandbox/bench/run.ts
// Does not show: a cold start, code that computes, other guests on the machine.
import { execFile } from "node:child_process";
import { runInNewContext } from "node:vm";
import { openSandbox } from "../src/index.ts";

async function timed(times: number, once: () => Promise<unknown>): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const begun = performance.now();
    await once();
    took.push(performance.now() - begun);
  }
  took.sort((a, b) => a - b);
  const at = (q: number): string => (took[Math.min(times - 1, Math.floor(times * q))] as number).toFixed(3);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

const sandbox = await openSandbox({ workers: 2 });
const call = () => sandbox.run({ kind: "module", code: "export default (x) => x.a + 1", input: { a: 1 } });
await timed(200, call);
// A pause after each call, as an agent makes one: the worker prepares its next isolate in it.
const pause = () => new Promise((done) => setTimeout(done, 5));
const paced: number[] = [];
for (let i = 0; i < 300; i++) {
  const begun = performance.now();
  await call();
  paced.push(performance.now() - begun);
  await pause();
}
paced.sort((a, b) => a - b);
console.log(`sandbox, 5 ms between calls:    p50 ${paced[150]?.toFixed(3)} ms, p99 ${paced[297]?.toFixed(3)} ms`);
console.log(`sandbox, back to back:          ${await timed(1_000, call)}`);
const begun = performance.now();
await Promise.all([0, 1, 2, 3].map(() => timed(300, call)));
console.log(`sandbox, 4 callers:             ${Math.round(1_200 / ((performance.now() - begun) / 1_000))} calls/s`);
const inner = await sandbox.run({
  kind: "script",
  code: "for (let i = 0; i < 3000; i++) await tools.a.b({ i })",
  tools: { a: ["b"] },
  budgets: { calls: 3_000, cpuMs: 10_000 },
  onCall: async () => ({ result: 1 }),
});
console.log(
  `inner call, one after another:  ${((inner.usage.wallMs * 1_000) / 3_000).toFixed(1)} us (${inner.ok ? "ok" : inner.error.code})`,
);
console.log(
  `node:vm, new context (unsafe):  ${await timed(100, async () => runInNewContext("((x) => x.a + 1)({ a: 1 })"))}`,
);
const child = () => new Promise((done) => execFile(process.execPath, ["--eval", "1"], done));
console.log(`bare process a call:            ${await timed(10, child)}`);
await sandbox.close();
