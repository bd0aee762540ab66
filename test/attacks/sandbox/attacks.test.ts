import { readdirSync, readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { openSandbox, type Sandbox } from "@callgate/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ATTACKS, ESCAPES } from "./scripts.ts";

const budgets = { cpuMs: 150, wallMs: 1_500, rssMb: 256, heapMb: 64, calls: 50, bytesOut: 2 ** 20 };
let sandbox: Sandbox;
const loop = monitorEventLoopDelay({ resolution: 5 });

beforeAll(async () => {
  sandbox = await openSandbox({ workers: 2 });
  loop.enable();
});

/** Processes that this one started and that are there, zombies included. */
function children(): number {
  return readdirSync("/proc").filter((pid) => {
    try {
      const stat = /^\d+$/.test(pid) ? readFileSync(`/proc/${pid}/stat`, "latin1") : "";
      return stat !== "" && Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === process.pid;
    } catch {
      return false;
    }
  }).length;
}

afterAll(async () => {
  loop.disable();
  console.log(
    `broker loop over the suite: max ${(loop.max / 1e6).toFixed(1)} ms, p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms`,
  );
  const before = children();
  await sandbox.close();
  expect(children()).toBeLessThan(before);
});

const run = (code: string) =>
  sandbox.run({ kind: "script", code, budgets, tools: { fs: ["read"] }, onCall: async () => ({ result: "read" }) });

describe("a hostile script ends inside its budgets, and the next call works", () => {
  test.each(ATTACKS)("%s", async (_name, code, expected) => {
    const result = await run(code);
    if (expected === "stopped") expect(result.ok).toBe(false);
    if (!result.ok) expect(result.error.code).toMatch(/^[A-Z_]+$/);
    // The wall budget is on the broker's own clock, so this is no measure of how busy the machine is.
    expect(result.usage.wallMs).toBeLessThan(budgets.wallMs + 250);
    expect(result.usage.peakRssMb).toBeLessThan(budgets.rssMb * 2);
    expect(await run("return 6 * 7")).toMatchObject({ ok: true, value: "42" });
  });
});

describe("a way out leads nowhere", () => {
  test.each(ESCAPES)("%s", async (_name, code) => {
    const result = await run(`return ${code}`);
    if (result.ok) expect(result.value).not.toBe("true");
  });
});
