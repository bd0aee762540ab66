// Measures how fast a large ledger answers. `node test/bench/ledger-read.ts [records...]` (default 1000000 5000000);
// BENCH_DIR is where it is built,
// and kept for the next run if BENCH_KEEP is set. The records are appended through `openLedger`, without syncs.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestOf, type RecordDraft } from "@callgate/core";
import { type LedgerReader, openFilling, openLedger, openReader, parseQuery } from "@callgate/ledger";
import { quantile } from "./stats.ts";

const CALLERS = 256;
const ROUNDS = 60;
const AGENTS = 40;
const SESSION_CALLS = 60;
const TOOLS = [
  ["files", "read_file"],
  ["files", "write_file"],
  ["mail", "search"],
  ["mail", "send"],
  ["calendar", "list_events"],
  ["db", "query"],
  ["web", "fetch"],
  ["pay", "transfer"],
].map(([server, name]) => ({ server: server as string, name: name as string, digest: digestOf(`${server}__${name}`) }));
const WORDS =
  "meeting agenda report quarterly invoice project deadline budget review customer shipping notes draft summary".split(
    " ",
  );

/** A number that looks like chance and is the same in every run. */
function chance(i: number, salt: number): number {
  let x = Math.imul(i ^ (salt * 0x9e3779b9), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

function sentence(i: number): string {
  const words = Array.from({ length: 40 }, (_, k) => WORDS[Math.floor(chance(i, k + 10) * WORDS.length)]);
  if (i % 1000 === 0) words.splice(5, 0, "wire", "transfer");
  if (i % 50_000 === 0) words.push("rhododendron");
  words.push(`ref${i}`);
  return words.join(" ");
}

/** The records of call `i`: a denial in one of twenty, else an intent and its outcome. */
function callOf(i: number): RecordDraft[] {
  const session = Math.floor(i / SESSION_CALLS);
  const tool = TOOLS[Math.floor(chance(i, 1) ** 2 * TOOLS.length)] as (typeof TOOLS)[number];
  const args = JSON.stringify({ path: `/home/someone/notes/${i}.md`, text: sentence(i) });
  const common = {
    agent: `agent-${session % AGENTS}`,
    user: "someone@example.org",
    session: `ses_${session}`,
    call: `call_${i}`,
    tool,
    args: digestOf(args),
  };
  const decision = (verdict: "allow" | "deny", rule: string) => ({ verdict, rules: [rule], policies: "sha256:p" });
  if (chance(i, 2) < 0.05)
    return [
      {
        ...common,
        kind: "denial",
        decision: decision("deny", `no-${tool.name}`),
        error: { code: `no-${tool.name}`, message: `${tool.name} is not for this agent` },
        payloads: { args },
      },
    ];
  const result = JSON.stringify({ content: [{ type: "text", text: sentence(i + 7) }] });
  const { args: _, ...rest } = common;
  return [
    { ...common, kind: "intent", decision: decision("allow", `may-${tool.server}`), payloads: { args } },
    {
      ...rest,
      kind: "outcome",
      status: chance(i, 3) < 0.02 ? "error" : "ok",
      ms: Math.round(1000 * chance(i, 4) ** 6),
      result: digestOf(result),
      payloads: { result },
    },
  ];
}

async function append(folder: string, from: number, until: number): Promise<number> {
  const ledger = await openLedger({ folder, sync: "off" });
  let call = from;
  let newest = 0;
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      while (newest < until) for (const draft of callOf(call++)) newest = Math.max(newest, await ledger.append(draft));
    }),
  );
  await ledger.close();
  return call;
}

function fill(folder: string): void {
  const start = performance.now();
  const filling = openFilling(folder);
  let [first, done] = [-1, filling.step()];
  first = done.indexed;
  while (done.indexed < done.head) done = filling.step();
  filling.close();
  const seconds = (performance.now() - start) / 1000;
  console.log(`index of words: ${Math.round((done.indexed - first) / seconds)} records/s`);
}

/** The `n`th of the equal parts of the time that the records span. */
function between(reader: LedgerReader, n: number): string {
  const [oldest] = reader.query({ order: "asc", limit: 1 });
  const [newest] = reader.query({ limit: 1 });
  const [from, to] = [Date.parse(oldest?.ts ?? ""), Date.parse(newest?.ts ?? "")];
  const at = (part: number): string => new Date(Math.round(from + ((to - from) * part) / ROUNDS)).toISOString();
  return `since:${at(n)} until:${at(n + 1)}`;
}

const indexed = (calls: number, reader: LedgerReader): readonly (readonly [string, (round: number) => string])[] => [
  ["newest 50", () => ""],
  ["agent", (n) => `agent:agent-${n % AGENTS}`],
  ["agent and time", (n) => `agent:agent-${n % AGENTS} ${between(reader, n)}`],
  ["two agents", (n) => `agent:agent-${n % AGENTS},agent-${(n + 1) % AGENTS}`],
  ["session", (n) => `session:ses_${Math.floor(((n + 0.5) / ROUNDS) * (calls / SESSION_CALLS))}`],
  ["call", (n) => `call:call_${Math.floor(((n + 0.5) / ROUNDS) * calls)}`],
  ["tool and verdict", (n) => `tool:${TOOLS[n % 8]?.server}__${TOOLS[n % 8]?.name} verdict:deny`],
  ["tools of a server, verdict", () => "tool:files__* verdict:deny"],
  ["recent denials", () => "verdict:deny since:1h"],
  ["denials", () => "verdict:deny,hold"],
  ["status", () => "status:error"],
  ["agent's denials", (n) => `agent:agent-${n % AGENTS} verdict:deny`],
];
const texts: readonly (readonly [string, (round: number) => string])[] = [
  ["rare word", () => "text:rhododendron"],
  ["one record's word", (n) => `text:ref${n * 700}`],
  ["word of all records", () => "text:meeting"],
  ["phrase", () => 'text:"wire transfer"'],
  ["beginning", () => "text:rhodo*"],
  ["word and denials", () => 'text:"wire transfer" verdict:deny'],
  ["word and agent", (n) => `text:invoice agent:agent-${n % AGENTS}`],
];

function measure(reader: LedgerReader, queries: readonly (readonly [string, (round: number) => string])[]): void {
  for (const [name, queryOf] of queries) {
    const times: number[] = [];
    let found = 0;
    for (let n = -5; n < ROUNDS; n++) {
      const parsed = parseQuery(queryOf(Math.max(n, 0)));
      if (!parsed.ok) throw new Error(parsed.message);
      const start = performance.now();
      found += reader.query({ ...parsed.query, limit: 50 }).length;
      if (n >= 0) times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const ms = (q: number): string => quantile(times, q).toFixed(2).padStart(7);
    console.log(
      `  ${name.padEnd(28)} p50 ${ms(0.5)} ms, max ${ms(1)} ms, ${Math.round(found / (ROUNDS + 5))} records each`,
    );
  }
}

const sizes = process.argv.slice(2).map(Number);
const keep = process.env["BENCH_KEEP"] !== undefined;
const root = keep
  ? join(process.env["BENCH_DIR"] ?? tmpdir(), "callgate-read")
  : mkdtempSync(join(process.env["BENCH_DIR"] ?? tmpdir(), "callgate-read-"));
mkdirSync(root, { recursive: true });
for (const size of sizes.length > 0 ? sizes : [1_000_000, 5_000_000]) {
  const folder = join(root, String(size));
  if (!existsSync(folder)) {
    const start = performance.now();
    await append(folder, 0, size);
    console.log(`appended ${size} records: ${Math.round(size / ((performance.now() - start) / 1000))} a second`);
    fill(folder);
  }
  const reader = openReader(folder);
  console.log(`${size} records, warm, 50 at most`);
  const calls = Math.floor(size / 1.95);
  measure(reader, indexed(calls, reader));
  measure(reader, texts);
  reader.close();
}
if (!keep) rmSync(root, { recursive: true });
