/**
 * How long `callgate policy simulate` takes over a ledger of a given size. `node test/bench/simulate.ts [--records 1000000]
 * [--folder <folder>]`. The ledger is made with `openLedger`, of calls that a set of 24 policies decided; it is then replayed by that
 * set, which MUST change nothing, and by one with other limits. Ends with 1 if the answers are wrong. It does not show arguments of
 * unusual size, nor a ledger that is not in the disk's cache.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { type CallFacts, canonicalJson, digestOf, type RecordDraft, type ToolFacts } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import { loadPolicies } from "@callgate/policy";
import { stringify } from "yaml";
import { CLI } from "../support/broker.ts";
import { rssOf } from "./child.ts";

const { values: options } = parseArgs({
  options: { records: { type: "string", default: "1000000" }, folder: { type: "string", default: tmpdir() } },
});
const records = Number(options.records);

const SERVERS = ["mail", "files", "crm", "wiki"];
const NAMES = ["read", "list", "search", "write", "send", "delete"];
const TOOLS: ToolFacts[] = SERVERS.flatMap((server) =>
  NAMES.map((name): ToolFacts => {
    const effects: ToolFacts["effects"] = ["write", "send", "delete"].includes(name) ? ["write"] : ["read"];
    const of = { server, name, qualified: `${server}__${name}`, operation: "tools/call" as const, effects };
    return { ...of, scopes: [`${server}:use`], labels: [], digest: digestOf(`${server} ${name}`) };
  }),
);

/** 24 policies, six a server, as a person writes them. */
function policies(limit: number): object {
  const of = (server: string) => [
    { id: `${server}-read`, effect: "permit", tools: [`${server}__read`, `${server}__list`, `${server}__search`] },
    {
      id: `${server}-write`,
      effect: "permit",
      tools: [`${server}__write`, `${server}__send`],
      when: "size(args.text) < 4000",
    },
    {
      id: `${server}-inside`,
      effect: "forbid",
      tools: [`${server}__send`],
      when: 'args.to.exists(a, !domainMatches(emailDomain(a), "example.com"))',
      reason: "only to colleagues",
    },
    {
      id: `${server}-root`,
      effect: "forbid",
      tools: [`${server}__*`],
      when: 'has(args.path) && !pathUnder(args.path, "/srv/data")',
      reason: "only below the data",
    },
    {
      id: `${server}-many`,
      effect: "ask",
      tools: [`${server}__send`],
      when: `size(args.to) > ${limit}`,
      reason: "this goes to many",
    },
    {
      id: `${server}-busy`,
      effect: "forbid",
      tools: [`${server}__write`],
      when: '"untrusted" in session.labels && session.calls > 100',
      reason: "it has read too much",
    },
  ];
  return { policies: SERVERS.flatMap(of) };
}

function callOf(i: number): CallFacts {
  const to = Array.from(
    { length: 1 + (i % 7) },
    (_, n) => `someone.${n}@${i % 41 === 0 ? "example.net" : "example.com"}`,
  );
  const args = {
    path: i % 29 === 0 ? "/etc/passwd" : `/srv/data/project-${i % 500}/notes/2026-03-${i % 28}.md`,
    to,
    text: `Dear all, this is the report for week ${i % 52} that you have asked for. `.repeat(1 + (i % 4)),
  };
  return {
    principal: {
      agent: `agent-${i % 13}`,
      roles: ["writer"],
      user: "someone@example.com",
      scopes: SERVERS.map((s) => `${s}:use`),
    },
    tool: TOOLS[i % TOOLS.length] as ToolFacts,
    args,
    session: {
      id: `ses_${i % 300}`,
      labels: i % 3 === 0 ? ["untrusted"] : ["private"],
      calls: i % 150,
      cost: i % 150,
      started: 1_772_000_000_000,
    },
    loop: { repeats: 1, period: 0, sameResult: false },
    budget: { callsLeft: 500 - (i % 150), costLeft: -1 },
    flow: {
      origins: { [args.path]: ["task"], [to[0] as string]: ["trusted", "untrusted"] },
      inside: {},
      action: "model",
    },
    time: 1_772_000_000_000 + i * 1000,
  };
}

async function makeLedger(folder: string, sources: Parameters<typeof loadPolicies>[0]): Promise<void> {
  const loaded = loadPolicies(sources, TOOLS);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.diagnostics));
  const ledger = await openLedger({ folder, sync: "off" });
  const result = JSON.stringify({ content: [{ type: "text", text: "x".repeat(400) }] });
  let made = 1;
  for (let i = 0; made < records; i++) {
    const call = callOf(i);
    const { agent, user } = call.principal;
    const { server, name, digest, qualified, operation, scopes, effects, labels } = call.tool;
    const args = canonicalJson(call.args);
    const facts = JSON.stringify({ ...call, args: undefined, tool: { qualified, operation, scopes, effects, labels } });
    const { verdict, reasons, policies: set } = loaded.set.decide(call);
    const rules = reasons.map((r) => r.rule);
    const of = {
      agent,
      user: user as string,
      session: call.session.id,
      call: `call_${i}`,
      tool: { server, name, digest },
    };
    const decided: Pick<RecordDraft, "args" | "detail" | "payloads"> = {
      args: digestOf(args),
      detail: { facts: digestOf(facts) },
      payloads: { args, facts },
    };
    if (verdict === "deny") {
      ledger.appendLater({
        ...of,
        ...decided,
        kind: "denial",
        decision: { verdict, rules, policies: set },
        error: { code: rules[0] as string, message: "no" },
      });
      made++;
    } else {
      const approver = verdict === "hold" ? { approver: "ann" } : {};
      ledger.appendLater({
        ...of,
        ...decided,
        kind: "intent",
        decision: { verdict: "allow", rules, policies: set, ...approver },
      });
      ledger.appendLater({
        ...of,
        kind: "outcome",
        status: "ok",
        ms: 3,
        result: digestOf(result),
        payloads: { result },
      });
      made += 2;
    }
    // A batch at a time, so that no more than that waits.
    if (i % 500 === 0) await ledger.append({ ...of, kind: "callback", status: "ok", detail: { method: "ping" } });
  }
  await ledger.close();
}

interface Replayed {
  readonly seconds: number;
  readonly rss: number;
  readonly code: number | null;
  readonly report: {
    readonly calls: number;
    readonly records: number;
    readonly unchanged: number;
    readonly changed: number;
    readonly unreplayable: number;
  };
}

async function replay(args: readonly string[], cwd: string): Promise<Replayed> {
  const began = performance.now();
  const child = spawn(process.execPath, [CLI, "policy", "simulate", "--json", ...args], {
    cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let [out, rss] = ["", 0];
  child.stdout.on("data", (chunk: Buffer) => (out += chunk));
  const timer = setInterval(() => {
    rss = Math.max(rss, rssOf(child.pid as number) ?? 0);
  }, 100);
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  clearInterval(timer);
  return { seconds: (performance.now() - began) / 1000, rss, code, report: JSON.parse(out) as Replayed["report"] };
}

const folder = mkdtempSync(join(options.folder, "callgate-simulate-"));
try {
  const file = (name: string) => join(folder, name);
  for (const name of ["manifests", "policies", "candidate"]) await mkdir(file(name));
  const servers = Object.fromEntries(SERVERS.map((server) => [server, { command: "node" }]));
  await writeFile(
    file("callgate.yaml"),
    stringify({ version: 1, data: "data", servers, agents: { "agent-1": {} }, policies: ["policies/*.yaml"] }),
  );
  for (const server of SERVERS) {
    const own = TOOLS.filter((tool) => tool.server === server).map(({ name, scopes, effects, digest }) => [
      name,
      { scopes, effects, digest },
    ]);
    await writeFile(
      file(`manifests/${server}.yaml`),
      stringify({ version: 1, server, tools: Object.fromEntries(own) }),
    );
  }
  const now = stringify(policies(5));
  await writeFile(file("policies/all.yaml"), now);
  await writeFile(file("candidate/all.yaml"), stringify(policies(3)));
  process.stderr.write(`making ${records} records in ${relative(process.cwd(), folder)}\n`);
  await makeLedger(file("data"), [{ file: join("policies", "all.yaml"), text: now }]);

  const same = await replay([], folder);
  const other = await replay(["--policies", "candidate/*.yaml"], folder);
  for (const [name, { seconds, rss, report }] of Object.entries({ same, other }))
    console.log(
      `${name} set: ${report.records} records, ${report.calls} calls in ${seconds.toFixed(1)} s ` +
        `(${Math.round(report.records / seconds)} records/s), ${report.changed} changed, ${Math.round(rss / 1024 / 1024)} MB at most`,
    );
  const right = same.code === 0 && same.report.changed === 0 && other.code === 1 && other.report.changed > 0;
  if (!right || same.report.unreplayable > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
