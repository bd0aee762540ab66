import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSandbox } from "../src/index.ts";

/** Parents by process, for those that are there: zombies count. */
function processes(): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((n) => /^\d+$/.test(n)))
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      found.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // Gone meanwhile.
    }
  return found;
}

function under(root: number): number[] {
  const all = processes();
  const is = (pid: number): boolean => {
    const parent = all.get(pid);
    return parent !== undefined && (parent === root || is(parent));
  };
  return [...all.keys()].filter(is);
}

async function until(met: () => boolean): Promise<void> {
  while (!met()) await new Promise((done) => setTimeout(done, 10));
}

test("a storm of runs that each cost their worker: all are answered, the pool recovers, nothing is left", async () => {
  const before = under(process.pid).length;
  const sandbox = await openSandbox({ workers: 2 });
  const killed = Array.from({ length: 24 }, (_, i) =>
    sandbox.run({
      kind: "script",
      code:
        i % 3 === 0 ? "for (;;);" : i % 3 === 1 ? "for (;;) console.log(1)" : "new Uint8Array(4e8).fill(1); for (;;);",
      budgets: { cpuMs: 30, wallMs: 20_000, rssMb: 128, logLines: 10 },
    }),
  );
  const good = Array.from({ length: 8 }, () => sandbox.run({ kind: "script", code: "return 1" }));
  for (const result of await Promise.all(killed)) expect(result.ok).toBe(false);
  for (const result of await Promise.all(good)) expect(result).toMatchObject({ ok: true, value: "1" });
  await sandbox.close();
  expect(under(process.pid).length).toBe(before);
});

test("closing answers what runs and what waits, and is done when the processes are gone", async () => {
  const before = under(process.pid).length;
  const sandbox = await openSandbox({ workers: 1 });
  let asked = 0;
  const runs = Array.from({ length: 3 }, () =>
    sandbox.run({
      kind: "script",
      code: "await tools.a.b()",
      tools: { a: ["b"] },
      onCall: () => {
        asked++;
        return new Promise(() => {});
      },
    }),
  );
  await until(() => asked === 1);
  await sandbox.close();
  expect(under(process.pid).length).toBe(before);
  for (const result of await Promise.all(runs))
    expect(result).toMatchObject({ ok: false, error: { code: "WORKER_LOST" } });
  await expect(sandbox.run({ kind: "script", code: "return 1" })).rejects.toMatchObject({ code: "SANDBOX_CLOSED" });
  await sandbox.close();
});

test("guests whose calls run guests do not wait for one another, and what was started for them ends", async () => {
  const before = under(process.pid).length;
  const sandbox = await openSandbox({ workers: 1, maxWorkers: 4 });
  const idle = under(process.pid).length;
  const nested = (depth: number): Promise<string> =>
    sandbox
      .run({
        kind: "script",
        code: "return (await tools.a.b()) + 1",
        tools: { a: ["b"] },
        onCall: async () => ({ result: depth === 0 ? 0 : Number(await nested(depth - 1)) }),
      })
      .then((result) => (result.ok ? result.value : result.error.code));
  expect(await nested(3)).toBe("4");
  expect(await sandbox.run({ kind: "script", code: "return 1", budgets: { wallMs: 5_000 } })).toMatchObject({
    ok: true,
  });
  await until(() => under(process.pid).length <= idle);
  await sandbox.close();
  expect(under(process.pid).length).toBe(before);
});

test("a run that was cancelled before it began starts nothing, and one in the queue leaves it", async () => {
  const sandbox = await openSandbox({ workers: 1 });
  const early = await sandbox.run({ kind: "script", code: "for (;;);", signal: AbortSignal.abort() });
  expect(early).toMatchObject({ ok: false, error: { code: "CANCELLED" } });
  const stop = new AbortController();
  let release: (answer: { result: number }) => void = () => {};
  const first = sandbox.run({
    kind: "script",
    code: "return await tools.a.b()",
    tools: { a: ["b"] },
    onCall: () =>
      new Promise((done) => {
        release = done;
        stop.abort();
      }),
  });
  const queued = sandbox.run({ kind: "script", code: "return 1", signal: stop.signal });
  expect(await queued).toMatchObject({ ok: false, error: { code: "CANCELLED" } });
  release({ result: 3 });
  expect(await first).toMatchObject({ ok: true, value: "3" });
  await sandbox.close();
});

test("a call that is never answered ends by it", async () => {
  const sandbox = await openSandbox({ workers: 1 });
  const result = await sandbox.run({
    kind: "script",
    code: "await tools.a.b()",
    tools: { a: ["b"] },
    budgets: { wallMs: 50 },
    onCall: () => new Promise(() => {}),
  });
  expect(result).toMatchObject({ ok: false, error: { code: "WALL_TIMEOUT" } });
  expect(await sandbox.run({ kind: "script", code: "return 1" })).toMatchObject({ ok: true });
  await sandbox.close();
});

test("a broker that is killed leaves no worker, not even one that spins", async () => {
  const code = `
    const { openSandbox } = await import(${JSON.stringify(join(import.meta.dirname, "../src/index.ts"))});
    const sandbox = await openSandbox({ workers: 2 });
    sandbox.run({ kind: "script", code: "console.log(1); for (;;);", budgets: { cpuMs: 60000, wallMs: 60000 }, onLog: () => console.log("spins") });`;
  const broker: ChildProcess = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((done) => broker.stdout?.once("data", done));
  const workers = under(broker.pid as number);
  expect(workers.length).toBeGreaterThanOrEqual(2);
  broker.kill("SIGKILL");
  await new Promise((done) => broker.once("exit", done));
  await until(() => {
    const all = processes();
    return workers.every((pid) => !all.has(pid));
  });
});

test("the same seed, clock and answers give the same calls in the same order", async () => {
  const sandbox = await openSandbox({ workers: 2 });
  const code = `
    const pick = async (n) => { for (let i = 0; i < n; i++) await tools.a.b({ r: Math.random(), t: Date.now(), d: new Intl.DateTimeFormat("en", { timeStyle: "full" }).format(), u: crypto.randomUUID(), z: new Date().getTimezoneOffset() }) };
    await Promise.all([pick(3), pick(2), pick(4)]);
    return Math.random()`;
  const replay = async (): Promise<unknown[]> => {
    const calls: unknown[] = [];
    const result = await sandbox.run({
      kind: "script",
      code,
      seed: 42,
      now: 1_700_000_000_000,
      tools: { a: ["b"] },
      onCall: async (call) => {
        calls.push([call.id, call.args]);
        return { result: null };
      },
    });
    return [...calls, result.ok && result.value];
  };
  const first = await replay();
  expect(first).toHaveLength(10);
  expect(first[0]).toMatchObject([1, { t: 1_700_000_000_000, d: expect.stringMatching(/^10:13:20/), z: 0 }]);
  expect(await replay()).toEqual(first);
  await sandbox.close();
});
