import { readdirSync, readFileSync } from "node:fs";
import { openSandbox, type RunResult, type Sandbox } from "@callgate/sandbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ESCAPES } from "./escapes.ts";
import { MODULES } from "./modules.ts";
import { ATTACKS, type Expected } from "./scripts.ts";

const budgets = { cpuMs: 100, wallMs: 1_000, rssMb: 256, heapMb: 64, calls: 50, bytesOut: 2 ** 20 };
/** How long the broker's thread may compute at a stretch. Its own processor time: no measure of how busy the machine is. */
const LONGEST_TURN_MS = 50;
let sandbox: Sandbox;
let watch: NodeJS.Timeout;
let longestMs = 0;
let longestEverMs = 0;

beforeAll(async () => {
  sandbox = await openSandbox({ workers: 2 });
  let last = process.threadCpuUsage();
  watch = setInterval(() => {
    const now = process.threadCpuUsage();
    longestMs = Math.max(longestMs, (now.user + now.system - last.user - last.system) / 1000);
    last = now;
  }, 2);
});

/** Processes under this one that are there, zombies included. */
function descendants(): number {
  const parents = new Map<number, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It is gone by now.
    }
  const under = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && (parent === process.pid || under(parent));
  };
  return [...parents.keys()].filter(under).length;
}
const threads = (): number => readdirSync("/proc/self/task").length;

const atFirst = { descendants: descendants(), threads: 0, rssMb: 0 };

afterAll(async () => {
  clearInterval(watch);
  console.log(`the broker's thread computed for at most ${longestEverMs.toFixed(1)} ms at a stretch`);
  await sandbox.close();
  expect(descendants()).toBeLessThanOrEqual(atFirst.descendants);
  expect(threads()).toBeLessThanOrEqual(atFirst.threads + 1);
  expect(process.memoryUsage().rss / 2 ** 20).toBeLessThan(atFirst.rssMb + 200);
});

const run = (kind: "script" | "module", code: string): Promise<RunResult> =>
  sandbox.run({ kind, code, budgets, tools: { fs: ["read"] }, onCall: async () => ({ result: "read" }) });

async function attack(kind: "script" | "module", code: string, expected: Expected): Promise<void> {
  if (atFirst.threads === 0) {
    atFirst.threads = threads();
    atFirst.rssMb = process.memoryUsage().rss / 2 ** 20;
  }
  longestMs = 0;
  const result = await run(kind, code);
  if (expected === "stopped") expect(result.ok).toBe(false);
  if (!result.ok)
    expect(result.error.code).toMatch(
      /^(CPU|WALL)_TIMEOUT$|^(MEMORY|OUTPUT|LOG)_LIMIT$|^CALL_BUDGET$|^GUEST_ERROR$|^POLICY_DENIED$/,
    );
  else expect(() => JSON.parse(result.value)).not.toThrow();
  // The wall budget is on the broker's own clock, so this is no measure of how busy the machine is.
  expect(result.usage.wallMs).toBeLessThan(budgets.wallMs + 250);
  expect(result.usage.peakRssMb).toBeLessThan(budgets.rssMb * 2);
  expect(await run("script", "return 6 * 7")).toMatchObject({ ok: true, value: "42" });
  longestEverMs = Math.max(longestEverMs, longestMs);
  expect(longestMs).toBeLessThan(LONGEST_TURN_MS);
}

const asModule = (code: string): string => `export default async (input) => {${code}\n}`;

/** `npm run attacks` runs every script in both forms. The tests, which have five minutes, run every third one, and every tenth as a module. */
const every =
  (nth: number) =>
  (_: unknown, i: number): boolean =>
    process.env["CALLGATE_ATTACKS"] === "all" || i % nth === 0;

describe("a hostile script ends inside its budgets, and the next call works", () => {
  test.each(ATTACKS.filter(every(3)))("%s", (_name, code, expected) => attack("script", code, expected));
});

describe("so does the same code as a module", () => {
  // What closes the script's wrapper has nothing to close in a module.
  const rows = ATTACKS.filter(([, code]) => !/^\}\)|^return 1 \}\)/.test(code)).filter(every(10));
  test.each(rows)("%s", (_name, code, expected) => attack("module", asModule(code), expected));
});

describe("a hostile module", () => {
  test.each(MODULES)("%s", (_name, code, expected) => attack("module", code, expected));
});

describe("a way out leads nowhere", () => {
  test.each(ESCAPES)("%s", async (_name, code) => {
    for (const [kind, text] of [
      ["script", `return ${code}`],
      ["module", asModule(`return ${code}`)],
    ] as const) {
      const result = await run(kind, text);
      if (result.ok) expect(result.value).not.toBe("true");
      else expect(result.error.code).toBe("GUEST_ERROR");
    }
  });
});
