// Measures how fast a ledger is verified. `node verify.ts [records] [folder]`: a folder that is there already is used as it is.
// The ledger is made by the ledger's own code, which the verifier itself MUST NOT import.
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { verifyLedger } from "../src/index.ts";

const records = Number(process.argv[2] ?? 1_000_000);
const given = process.argv[3];
const folder = given ?? mkdtempSync(join(process.env["BENCH_DIR"] ?? tmpdir(), "callgate-verify-bench-"));

interface Appending {
  append(draft: object): Promise<number>;
  close(): Promise<void>;
}

/** 64 callers, each with one call at a time: an intent with its arguments, then an outcome with its result. */
async function make(): Promise<void> {
  const ledgerPackage = new URL("../../ledger/src/index.ts", import.meta.url).href;
  const { openLedger } = (await import(ledgerPackage)) as { openLedger: (options: object) => Promise<Appending> };
  const ledger = await openLedger({ folder, sync: "off" });
  const digest = `sha256:${"ab".repeat(32)}`;
  const tool = { server: "files", name: "read_file", digest };
  const args = JSON.stringify({ path: "/home/someone/project/notes/2026-03-01.md", head: 100 });
  const result = JSON.stringify({ content: [{ type: "text", text: "x".repeat(400) }] });
  const decision = { verdict: "allow", rules: ["read-own-files"], policies: digest };
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < records / 2) {
      const i = next++;
      const who = {
        agent: `agent-${i % 7}`,
        user: "someone@example.org",
        session: `ses_${i % 50}`,
        call: `call_${i}`,
        tool,
      };
      await ledger.append({ kind: "intent", ...who, decision, args: digest, payloads: { args } });
      await ledger.append({ kind: "outcome", ...who, status: "ok", ms: 1.25, result: digest, payloads: { result } });
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
  await ledger.close();
}

async function measure(name: string, options: object): Promise<void> {
  const before = process.cpuUsage();
  const report = await verifyLedger({ ledger: folder, ...options });
  const { user, system } = process.cpuUsage(before);
  const cpu = (user + system) / 1e6;
  const rows = report.counts.records;
  console.log(
    `${name}: ${report.verdict}, ${rows} records and ${report.counts.checkpoints} checkpoints in ${(report.ms / 1000).toFixed(1)} s, ` +
      `${Math.round((rows / report.ms) * 1000)} rows/s; ${Math.round(rows / cpu)} rows a second of CPU`,
  );
}

try {
  if (!existsSync(join(folder, "ledger.db"))) await make();
  console.log(`${Math.round(statSync(join(folder, "ledger.db")).size / 1e6)} MB`);
  const threads = availableParallelism();
  await measure("warming up", { threads: 1, skipIndexes: true });
  await measure("one thread, without indexes", { threads: 1, skipIndexes: true });
  await measure("one thread", { threads: 1 });
  await measure(`${threads} threads, without indexes`, { threads, skipIndexes: true });
  await measure(`${threads} threads`, { threads });
  await measure(`${threads} threads, every payload opened`, { threads, openAll: true });
} finally {
  if (given === undefined) rmSync(folder, { recursive: true, force: true });
}
