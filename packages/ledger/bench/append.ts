// Measures appends, paired with a raw write and fdatasync of one leaf in the same run. `node append.ts [records] [--encrypted] [--ml-dsa]`
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import { openLedger, openReader } from "../src/index.ts";

const records = Number(process.argv[2] ?? 40_000);
const options = {
  ...(process.argv.includes("--encrypted") && { fileKey: "a1".repeat(32) }),
  ...(process.argv.includes("--ml-dsa") && { signatures: ["ed25519", "ml-dsa-44"] as const }),
};
const root = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), "callgate-bench-"));
const args = JSON.stringify({ path: "/home/someone/project/notes/2026-03-01.md", head: 100 });
const result = JSON.stringify({ content: [{ type: "text", text: "x".repeat(400) }] });
const tool = { server: "files", name: "read_file", digest: digestOf("definition") };
const policies = digestOf("policies");
const argsDigest = digestOf(args);
const resultDigest = digestOf(result);

function draft(i: number): RecordDraft {
  const who = {
    agent: `agent-${i % 7}`,
    user: "someone@example.org",
    session: `ses_${i % 50}`,
    call: `call_${i >> 1}`,
    tool,
  };
  return i % 2 === 0
    ? {
        kind: "intent",
        ...who,
        decision: { verdict: "allow", rules: ["read-own-files"], policies },
        args: argsDigest,
        detail: { labels: ["private"] },
        payloads: { args },
      }
    : { kind: "outcome", ...who, status: "ok", result: resultDigest, ms: 1.25, payloads: { result } };
}

function quantile(times: number[], q: number): number {
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * q)] as number;
}

function quantiles(times: number[]): string {
  return `p50 ${quantile(times, 0.5).toFixed(3)} ms, p99 ${quantile(times, 0.99).toFixed(3)} ms`;
}

async function singles(sync: "full" | "off", count: number): Promise<void> {
  const ledger = await openLedger({
    folder: join(root, `single-${sync}`),
    sync,
    ...options,
  });
  const file = openSync(join(root, "raw"), "w");
  const leaf = Buffer.alloc(900, 97);
  const appends: number[] = [];
  const raws: number[] = [];
  const cpu = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await ledger.append(draft(i));
    const between = performance.now();
    if (sync === "full") {
      writeSync(file, leaf);
      fdatasyncSync(file);
      raws.push(performance.now() - between);
    }
    appends.push(between - before);
  }
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `single append, sync ${sync}: ${quantiles(appends)}; all threads ${((user + system) / count).toFixed(0)} us CPU each`,
  );
  if (sync === "full") {
    const ratio = quantile(appends, 0.5) / quantile(raws, 0.5);
    console.log(`raw write + fdatasync: ${quantiles(raws)}; an append takes ${ratio.toFixed(2)} times as long`);
  }
  await ledger.close();
}

async function crowd(sync: "full" | "off", clients: number, verify: boolean): Promise<void> {
  const folder = join(root, `crowd-${sync}-${clients}`);
  const ledger = await openLedger({ folder, sync, ...options });
  let next = 0;
  const cpu = process.cpuUsage();
  const load = performance.eventLoopUtilization();
  const before = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < records) await ledger.append(draft(next++));
    }),
  );
  const ms = performance.now() - before;
  const active = performance.eventLoopUtilization(load).active;
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${clients} clients, sync ${sync}: ${Math.round((records / ms) * 1000)} records/s, main thread ${((active / records) * 1000).toFixed(1)} us, ` +
      `all threads ${((user + system) / records).toFixed(1)} us CPU a record`,
  );
  await ledger.close();
  if (!verify) return;
  const reader = openReader(folder);
  const start = performance.now();
  const { ok, records: checked } = reader.verify();
  console.log(`verify: ok ${ok}, ${Math.round((checked / (performance.now() - start)) * 1000)} records/s`);
  reader.close();
}

await singles("full", 2500);
await singles("off", 5000);
await crowd("full", 64, true);
await crowd("off", 64, false);
await crowd("full", 256, false);
rmSync(root, { recursive: true });
