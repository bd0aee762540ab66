import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { messageOf } from "@callgate/core";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { CLI } from "../support/broker.ts";
import { ENVIRONMENT } from "../support/process.ts";
import { rssOf } from "./child.ts";

const VERIFY = fileURLToPath(new URL("../../packages/verify/src/main.ts", import.meta.url));
const SLOW_S = 120;
const KILL_MS = 15 * 60_000;

/** What the broker was asked for, and how it answered. */
export interface Answered {
  readonly records: number;
  readonly calls: number;
  readonly denials: number;
}

/** A command that ran. */
export interface Step {
  readonly name: string;
  readonly seconds: number;
  readonly code: number | string;
  /** Peak of its resident memory in bytes, as far as samples saw it. */
  readonly rss: number;
  /** Length of its output. */
  readonly bytes: number;
  readonly wrong: string | undefined;
}

interface Expected {
  /** The command's program; the command line unless it is another. */
  readonly program?: string;
  readonly has?: RegExp;
}

/** Runs commands one after another and keeps what they cost. Output goes to files, as a large export's must. */
class Commands {
  readonly steps: Step[] = [];
  readonly #out: string;

  constructor(out: string) {
    mkdirSync(out, { recursive: true });
    this.#out = out;
  }

  /** Gives the command's standard output. MUST end with 0, and match `has`. */
  async run(name: string, args: readonly string[], { program = CLI, has }: Expected = {}): Promise<string> {
    const file = join(this.#out, `${this.steps.length}.out`);
    const fd = openSync(file, "w");
    const start = performance.now();
    const child = spawn(process.execPath, [program, ...args], {
      stdio: ["ignore", fd, "pipe"],
      env: { ...ENVIRONMENT },
    });
    const abandon = () => child.kill("SIGKILL");
    process.once("exit", abandon);
    const [limit, watch] = [setTimeout(abandon, KILL_MS), setInterval(() => sample(), 50)];
    let rss = 0;
    const sample = () => {
      rss = Math.max(rss, rssOf(child.pid as number) ?? 0);
    };
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      errors = (errors + chunk.toString("utf8")).slice(-2000);
    });
    const [code, signal] = (await once(child, "close")) as [number | null, string | null];
    const seconds = (performance.now() - start) / 1000;
    clearTimeout(limit);
    clearInterval(watch);
    process.off("exit", abandon);
    closeSync(fd);
    const bytes = statSync(file).size;
    const output = bytes > 64 * 2 ** 20 ? "" : readFileSync(file, "utf8");
    const wrong =
      code !== 0
        ? `ended with ${code ?? signal}: ${errors.trim()}`
        : has !== undefined && !has.test(output)
          ? `printed nothing like ${has}: ${output.slice(0, 500)}`
          : seconds > SLOW_S
            ? `took more than ${SLOW_S} s`
            : undefined;
    this.add({ name, seconds, code: code ?? signal ?? "", rss, bytes, wrong });
    return output;
  }

  add(step: Step): void {
    this.steps.push(step);
    process.stderr.write(
      `${step.name}: ${step.seconds.toFixed(2)} s${step.wrong === undefined ? "" : ` WRONG: ${step.wrong}`}\n`,
    );
  }
}

/** A reviewing agent's client over stdio: lists, queries, and asks for what reads all of the ledger. */
async function review(commands: Commands, data: readonly string[]): Promise<void> {
  const start = performance.now();
  const client = new Client({ name: "bench", version: "1.0.0" });
  const transport = new StdioClientTransport({ command: process.execPath, args: [CLI, "ledger", "mcp", ...data] });
  let [wrong, bytes, rss]: [string | undefined, number, number] = [undefined, 0, 0];
  try {
    await client.connect(transport);
    const { tools } = await client.listTools();
    if (!tools.some((tool) => tool.name === "query_records")) throw new Error("there is no tool query_records");
    for (const [name, given] of [
      ["query_records", { query: "agent:support verdict:deny" }],
      ["stats", {}],
    ] as const) {
      const result = await client.callTool({ name, arguments: given }, { timeout: KILL_MS });
      if (result.isError === true) throw new Error(`${name}: ${JSON.stringify(result.content).slice(0, 500)}`);
      bytes += JSON.stringify(result.structuredContent).length;
    }
    rss = rssOf(transport.pid as number) ?? 0;
  } catch (error) {
    wrong = messageOf(error);
  }
  await client.close();
  commands.add({ name: "ledger mcp", seconds: (performance.now() - start) / 1000, code: 0, rss, bytes, wrong });
}

/**
 * Runs every command on the ledger of a configuration. `folder` MUST hold `anchor.jsonl`, `known.vkey` and `later.yaml`; what the
 * commands write goes below it. The ledger MUST be what `million.ts` makes, as outputs are looked at.
 */
export async function commandsOn(folder: string, config: string, done: Answered): Promise<readonly Step[]> {
  const out = (name: string) => join(folder, "out", name);
  const commands = new Commands(join(folder, "out"));
  const on = ["--config", config];
  const ledger = (name: string, args: readonly string[], has?: RegExp) =>
    commands.run(`ledger ${name}`, ["ledger", ...name.split(" ", 1), ...args, ...on], has && { has });
  const denied = await ledger(
    "query verdict:deny",
    ["verdict:deny", "agent:support", "--limit", "50", "--json"],
    /denial/,
  );
  const { session, call, seq } = JSON.parse(denied.trim().split("\n").at(-1) ?? "{}");
  const anchor = ["--anchor", `file:${join(folder, "anchor.jsonl")}`];
  const vkey = ["--vkey", join(folder, "known.vkey")];
  const verify = (name: string, more: readonly string[] = []) =>
    commands.run(name, [join(folder, "data"), ...anchor, ...vkey, ...more], { program: VERIFY, has: /clean/ });

  // What the ledger holds MUST be what the clients were answered, call by call.
  const ran = done.calls - done.denials;
  const kinds =
    "SELECT sum(kind = 'intent') i, sum(kind = 'outcome' AND status = 'ok') o, sum(kind = 'denial') d FROM records";
  await ledger("sql count", [kinds, "--json"], new RegExp(`"i":${ran},"o":${ran},"d":${done.denials}\\b`));
  await ledger("tail", ["-n", "50"], /echo/);
  await ledger("query agent since", ["agent:support since:1h"], /support/);
  await ledger("query session", [`session:${session}`, "--all"], /support/);
  await ledger("query call", [`call:${call}`], /denial/);
  await ledger("query tool verdict", ["tool:pay__echo verdict:deny"], /small-payments/);
  await ledger(
    "query --where",
    ["--where", "record.kind == 'denial' && record.error.code == 'small-payments'"],
    /small-payments/,
  );
  await ledger("query --where, all", ["--where", "record.ms > 1000000.0", "--all"]);
  await ledger("query --all", ["--all", "--json"]);
  await ledger("show", [String(seq)], /support/);
  await ledger("timeline", ["--session", session], /echo/);
  await ledger("tree", ["--call", call], /echo/);
  await ledger("tree session", ["--session", session], /echo/);
  await ledger("stats", [], /small-payments/);
  await ledger("stats since", ["since:1h", "agent:support"], /small-payments/);
  await ledger("sql indexed", ["SELECT count(*) AS n FROM calls WHERE agent = 'support' AND verdict = 'deny'"], /n/);
  await ledger(
    "sql whole",
    ["SELECT agent, verdict, count(*) AS n FROM calls GROUP BY 1, 2", "--timeout", "5m"],
    /support/,
  );
  await ledger("query text, before index", ['text:"wire transfer"'], /echo/);
  await ledger("index", []);
  await ledger("index --rebuild", ["--rebuild"]);
  await ledger("query text", ['text:"wire transfer"'], /echo/);
  await ledger("query text, rare", ["text:rhododendron"]);
  await ledger("query text, common", ["text:incidents agent:support"], /support/);
  await ledger("proof", [String(seq), "--out", out("proof")]);
  await commands.run("verify proof", ["--proof", out("proof"), ...vkey], { program: VERIFY });
  for (const [name, target, more] of [
    ["jsonl", "jsonl", []],
    ["ocsf", "ocsf", []],
    ["cef", "cef", []],
    ["tiles", "tiles", []],
    ["jsonl, payloads", "jsonl", ["--payloads"]],
  ] as const) {
    await ledger(`export ${name}`, ["--to", `${target}:${out("export")}`, ...more]);
    for (const file of ["export", "export.cursor"]) rmSync(out(file), { recursive: true, force: true });
  }
  await ledger("verify", anchor, /clean/);
  await verify("callgate-verify");
  await verify("callgate-verify --open-all", ["--open-all"]);
  await commands.run("incident open", ["incident", "open", "--session", session, ...on], { has: /sinks/ });
  await commands.run("incident export", [
    "incident",
    "export",
    "--session",
    session,
    "--out",
    out("bundle"),
    ...anchor,
    ...on,
  ]);
  await commands.run("verify bundle", ["--bundle", out("bundle"), ...vkey], { program: VERIFY });
  const later = ["--policies", join(folder, "later.yaml"), "--fail-on", "none"];
  await commands.run("policy simulate", ["policy", "simulate", ...later, ...on], { has: /small-payments/ });
  await commands.run("policy simulate, same", ["policy", "simulate", ...on]);
  await commands.run("policy suggest", ["policy", "suggest", ...on], { has: /permit/ });
  await commands.run("policy rollout", ["policy", "rollout", ...on], { has: /watch-transfers/ });
  await review(commands, on);
  await ledger("shred", ["--session", session], /shredded/);
  await verify("callgate-verify, shredded");
  await ledger("seal", [], /sealed/);
  await ledger("archive", ["--before", String(Math.floor(done.records * 0.45)), "--to", out("segments")], /archived/);
  await verify("callgate-verify, archived", ["--segments", out("segments")]);
  await ledger("query --all, archived", ["agent:support verdict:deny", "--all", "--csv"], /support/);
  return commands.steps;
}
