/**
 * A large ledger made by a broker, then asked through every command. `node test/bench/million.ts [--records 1000000]
 * [--folder DIR] [--keep]`: starts `callgate serve`, calls its tools over 64 connections until the ledger holds so many
 * records or 15 minutes are over, stops it, and runs each command that reads a ledger as a process of its own. Checks
 * every answer of the broker. Ends with 1 if one was wrong, or a command failed or took more than two minutes.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { digestOfJson, isObject, messageOf } from "@callgate/core";
import { type Broker, startBroker } from "../support/broker.ts";
import { rssOf, startChild } from "./child.ts";
import { Connection, type HttpAnswer, headerOf } from "./connection.ts";
import { type Answered, commandsOn } from "./million-commands.ts";
import { ECHO, echoText } from "./tool.ts";
import { type Era, headerLines, INITIALIZE, INITIALIZED, messageIn, requestBody } from "./wire.ts";

const UPSTREAM = fileURLToPath(new URL("upstream.ts", import.meta.url));
const CONNECTIONS = 64;
const TOKENS = 240;
const LOAD_MS = 15 * 60_000;

const { values: options } = parseArgs({
  options: {
    records: { type: "string", default: "1000000" },
    folder: { type: "string", default: tmpdir() },
    keep: { type: "boolean", default: false },
  },
});
const wanted = Number(options.records);

// The servers are one program under several names: what differs for policies and incidents is what manifests say of them.
const SERVERS: Readonly<Record<string, { readonly effects: string; readonly labels: string }>> = {
  mail: { effects: "[read]", labels: "[untrusted, private]" },
  web: { effects: "[read, external]", labels: "[untrusted]" },
  files: { effects: "[read]", labels: "[private]" },
  db: { effects: "[read, write]", labels: "[private]" },
  pay: { effects: "[write, external]", labels: "[]" },
  calendar: { effects: "[read]", labels: "[]" },
  crm: { effects: "[read, write]", labels: "[private]" },
  tickets: { effects: "[write]", labels: "[]" },
};
const NAMES = Object.keys(SERVERS);
const AGENTS = ["assistant", "researcher", "support", "billing", "operator", "sales", "analyst", "guest"];

const POLICIES = `policies:
  - { id: may-use, effect: permit, tools: ["*"] }
  - id: no-table-drops
    effect: forbid
    tools: [db__echo]
    when: args.text.contains("DROP TABLE")
    reason: the text would drop a table
  - id: small-payments
    effect: forbid
    tools: [pay__echo]
    when: has(args.n) && args.n > 900
    reason: the payment is larger than an agent may make
  - id: watch-transfers
    effect: forbid
    tools: ["*"]
    mode: observe
    when: args.text.contains("wire transfer")
    reason: the text speaks of a transfer
  - id: web-in-shadow
    effect: forbid
    tools: [web__echo]
    mode: shadow
    when: has(args.n) && args.n > 500
    reason: the number is larger than the web should know
`;

/** What is tried on the record: one denial less, one more. */
const LATER = POLICIES.replace("args.n > 900", "args.n > 950").replace("DROP TABLE", "wire transfer");

function writeConfig(folder: string, url: string): string {
  mkdirSync(join(folder, "manifests"), { recursive: true });
  for (const [name, { effects, labels }] of Object.entries(SERVERS))
    writeFileSync(
      join(folder, "manifests", `${name}.yaml`),
      `version: 1\nserver: ${name}\ntools:\n  ${ECHO.name}:\n    scopes: ["${name}:use"]\n    effects: ${effects}\n    labels: ${labels}\n    digest: ${digestOfJson(ECHO)}\n`,
    );
  writeFileSync(join(folder, "policies.yaml"), POLICIES);
  writeFileSync(join(folder, "later.yaml"), LATER);
  const ceilings = "calls: 1000000000, callsPerMinute: 1000000000, cost: 1000000000, concurrent: 1000, wall: 60s";
  const scopesOf = (agent: string) =>
    NAMES.filter((name) => agent !== "guest" || name !== "pay").map((n) => `"${n}:use"`);
  const path = join(folder, "callgate.yaml");
  writeFileSync(
    path,
    `version: 1
data: data
http: { host: 127.0.0.1, port: 0 }
servers:
${NAMES.map((name) => `  ${name}: { url: ${JSON.stringify(url)} }`).join("\n")}
agents:
${AGENTS.map((agent) => `  ${agent}: { scopes: [${scopesOf(agent).join(", ")}] }`).join("\n")}
policies: [policies.yaml]
budgets:
  session: { ${ceilings} }
ledger:
  anchors: [${JSON.stringify(`file:${join(folder, "anchor.jsonl")}`)}]
  retention: { segment: ${Math.max(1000, Math.floor(wanted / 5))} }
log: { level: warn }
`,
  );
  return path;
}

interface Planned {
  readonly server: string;
  readonly text: string;
  readonly n: number;
  /** What the denial's text MUST name; undefined for a call that MUST run. */
  readonly denied: string | undefined;
}

const DENIED = {
  scope: "pay:use",
  schema: "callgate/invalid-arguments",
  table: "no-table-drops",
  payment: "small-payments",
} as const;

/** Call `i` of all, by an agent: about one in twenty is refused, in four ways. */
function plan(i: number, agent: string): Planned {
  const mixed = Math.imul(i, 0x9e3779b1) >>> 0;
  const server = NAMES[mixed >>> 29] as string;
  const drops = server === "db" && i % 10 === 0;
  const overflow = server === "tickets" && i % 20 === 0;
  const n = overflow ? 2_000_000 : i % 1000;
  const rare =
    i % 1000 === 7 ? ", wire transfer to account DE02120300000000202051" : i % 50_000 === 11 ? " rhododendron" : "";
  const text = `call ${i}: ${drops ? "DROP TABLE incidents" : "summarize the open incidents of the payments team"} since Monday${rare}`;
  const denied =
    server === "pay" && agent === "guest"
      ? DENIED.scope
      : overflow
        ? DENIED.schema
        : drops
          ? DENIED.table
          : server === "pay" && n > 900
            ? DENIED.payment
            : undefined;
  return { server, text, n, denied };
}

function faultOf(call: Planned, answer: HttpAnswer, id: number): string | undefined {
  const message = messageIn(answer.body, id);
  const result = isObject(message) ? message["result"] : undefined;
  const said = isObject(result) ? JSON.stringify(result["content"]) : "";
  const fits =
    isObject(result) &&
    (call.denied === undefined
      ? result["isError"] !== true && said.includes(echoText(call.text, call.n))
      : result["isError"] === true && said.includes(call.denied));
  return fits
    ? undefined
    : `\`${JSON.stringify(call)}\` was answered with ${answer.status}: ${answer.body.slice(0, 400)}`;
}

function post(connection: Connection, method: string, headers: readonly string[], body: string): Promise<HttpAnswer> {
  return new Promise((done, fail) => {
    connection.send(connection.head(method, headers), body, (answer) =>
      answer instanceof Error ? fail(answer) : done(answer),
    );
  });
}

interface Load extends Answered {
  readonly sessions: number;
  readonly seconds: number;
  readonly stopped: boolean;
}

/**
 * Calls until there are enough records, in visits. Every other one opens a connection's session of 2025-11-25, the rest
 * speak 2026-07-28. For the record a token is a session in both.
 */
async function load(broker: Broker): Promise<Load> {
  const agentOf = (i: number) => AGENTS[i % AGENTS.length] as string;
  const tokens = await Promise.all(
    Array.from({ length: TOKENS }, (_, i) => broker.token(agentOf(i), { ttl: 7200, user: `user${i}@example.org` })),
  );
  const visitCalls = Math.max(10, Math.min(250, Math.floor(wanted / 1000)));
  const start = performance.now();
  const over = () => performance.now() - start > LOAD_MS;
  let [records, calls, denials, visits] = [0, 0, 0, 0];
  const used = new Set<number>();
  const visit = async (connection: Connection): Promise<void> => {
    const number = visits++;
    const era: Era = number % 2 === 0 ? "legacy" : "modern";
    const who = (number >> 1) % TOKENS;
    const token = tokens[who] as string;
    used.add(who);
    let session: string | undefined;
    const lines = (method: string, name?: string) =>
      headerLines(era, method, {
        token,
        ...(name !== undefined && { name }),
        ...(session !== undefined && { session }),
      });
    if (era === "legacy") {
      session = headerOf(await post(connection, "POST", lines("initialize"), INITIALIZE), "mcp-session-id");
      if (session === undefined) throw new Error("initialize opened no session");
      await post(connection, "POST", lines("notifications/initialized"), INITIALIZED);
    }
    for (let k = 0; k < visitCalls && records < wanted && !over(); k++) {
      const id = calls++;
      const call = plan(id, agentOf(who));
      records += call.denied === undefined ? 2 : 1;
      if (call.denied !== undefined) denials++;
      const name = `${call.server}__${ECHO.name}`;
      const body = requestBody(era, id, "tools/call", { name, arguments: { text: call.text, n: call.n } });
      const fault = faultOf(call, await post(connection, "POST", lines("tools/call", name), body), id);
      if (fault !== undefined) throw new Error(fault);
    }
    if (era === "legacy") await post(connection, "DELETE", lines("DELETE"), "");
  };
  const tell = setInterval(() => {
    const seconds = (performance.now() - start) / 1000;
    const rss = Math.round((rssOf(broker.process.pid) ?? 0) / 2 ** 20);
    note(`${records} of ${wanted} records, ${Math.round(records / seconds)} a second, broker ${rss} MB`);
  }, 5000);
  try {
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async () => {
        const connection = new Connection(new URL(broker.url));
        while (records < wanted && !over()) await visit(connection);
        connection.close();
      }),
    );
  } finally {
    clearInterval(tell);
  }
  const seconds = (performance.now() - start) / 1000;
  return { records, calls, denials, sessions: used.size, seconds, stopped: records < wanted };
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function sizeOf(data: string): string {
  const megabytes = (part: string) =>
    readdirSync(data)
      .filter((name) => name.startsWith(part))
      .reduce((sum, name) => sum + statSync(join(data, name)).size / 1e6, 0)
      .toFixed(0);
  return `ledger ${megabytes("ledger.db")} MB, index of words ${megabytes("search.db")} MB`;
}

async function main(): Promise<number> {
  if (!Number.isSafeInteger(wanted) || wanted < 1000) throw new Error("--records is a number from 1000 on");
  const folder = mkdtempSync(join(options.folder, "callgate-million-"));
  // An interrupted run leaves nothing behind either.
  if (!options.keep) process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const upstream = await startChild([UPSTREAM], /^ready \S+$/);
  try {
    const config = writeConfig(folder, upstream.ready.slice("ready ".length));
    const broker = await startBroker(config);
    let done: Load;
    const stopping = { at: 0, code: 0 as number | string };
    try {
      // As somebody elsewhere would have noted it down when the log was begun.
      copyFileSync(join(broker.data, "ledger.vkey"), join(folder, "known.vkey"));
      done = await load(broker);
    } finally {
      stopping.at = performance.now();
      stopping.code = await broker.stop();
    }
    const took = ((performance.now() - stopping.at) / 1000).toFixed(1);
    const { records, calls, denials, sessions, seconds } = done;
    const summary = `${records} records of ${calls} calls (${denials} denied) in ${sessions} sessions: ${seconds.toFixed(0)} s, ${Math.round(records / seconds)} records/s; stopped in ${took} s with ${stopping.code}; ${sizeOf(broker.data)}${done.stopped ? "; 15 minutes were over before the rest was made" : ""}`;
    note(summary);
    const steps = await commandsOn(folder, config, done);
    console.log(`${summary}\n\n| command | s | code | peak MB | output | |\n|---|--:|--:|--:|--:|---|`);
    for (const { name, seconds: s, code, rss, bytes, wrong } of steps)
      console.log(
        `| ${name} | ${s.toFixed(2)} | ${code} | ${(rss / 1e6).toFixed(0)} | ${bytes} | ${wrong?.replaceAll(/\s+/g, " ") ?? ""} |`,
      );
    console.log(`\n${sizeOf(broker.data)}`);
    return stopping.code === 0 && steps.every((step) => step.wrong === undefined) ? 0 : 1;
  } finally {
    await upstream.stop();
    if (options.keep) note(`kept: ${folder}`);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(`bench failed: ${messageOf(error)}`);
    process.exitCode = 1;
  },
);
