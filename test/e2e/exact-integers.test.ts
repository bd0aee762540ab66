import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text as textOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { digestOf } from "@callgate/core";
import { ApprovalStore } from "@callgate/gateway";
import { openReader } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Broker, callgate, startBroker, stdioBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { newestIn, payloadsOf, recordsIn } from "../support/ledger.ts";
import { manifestOf } from "../support/manifest.ts";
import { ENVIRONMENT } from "../support/process.ts";
import { RAW_TOOLS, rawAnswer } from "../support/raw/answer.ts";
import { until } from "../support/until.ts";
import { headersFor, LEGACY_VERSION, modernRequest, openSession, send } from "../support/wire.ts";

const FIRST = "9007199254740993";
const SECOND = "9007199254740992";

const POLICIES = `policies:
  - { id: only-this, effect: permit, tools: ["*__echo"], when: args.id == ${FIRST} }
  - { id: open, effect: permit, tools: ["*__open", "*__held", "*__bounded"] }
  - { id: never-big, effect: forbid, tools: ["*__open"], when: args.id + 1 < 0, reason: it is less than nothing }
  - { id: ask, effect: ask, tools: ["*__held"], reason: a person looks at this }
  - id: rewritten
    effect: permit
    tools: ["*__rewritten"]
    obligations: [{ kind: rewrite, path: $.id, value: 9223372036854775807 }]
  - id: redacted
    effect: permit
    tools: ["*__redacted"]
    obligations: [{ kind: redact, path: $.structuredContent.note }]
`;

const folder = makeFolder("exact");
const webCalls: string[] = [];
let web: Server;
let broker: Broker;
let config: string;
let token: string;
/** What a broker over stdio is started with: a ledger has one writer. */
let stdioConfig: string;

async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
  const answer = req.method === "POST" ? rawAnswer(await textOf(req), (args) => webCalls.push(args)) : undefined;
  if (answer === undefined) res.writeHead(req.method === "POST" ? 202 : 405).end();
  else res.writeHead(200, { "content-type": "application/json" }).end(answer);
}

beforeAll(async () => {
  web = createServer((req, res) => void serve(req, res));
  await new Promise<void>((resolve) => void web.listen(0, "127.0.0.1", resolve));
  for (const server of ["raw", "web"]) folder.write(`${server}.yaml`, manifestOf(server, RAW_TOOLS));
  folder.write("policies.yaml", POLICIES);
  const setup = {
    version: 1,
    http: { port: 0 },
    servers: {
      raw: {
        command: process.execPath,
        args: [fileURLToPath(new URL("../support/raw/server.ts", import.meta.url))],
        env: { CALLED: join(folder.path, "called.txt") },
        manifest: "raw.yaml",
      },
      web: { url: `http://127.0.0.1:${(web.address() as AddressInfo).port}/mcp`, manifest: "web.yaml" },
    },
    agents: { ann: { scopes: [] } },
    stdio: { agent: "ann" },
    policies: ["policies.yaml"],
    loop: { repeats: 1000, cycles: 1000 },
    approvals: { wait: "20s", ttl: "5m" },
    log: { level: "warn" },
  };
  config = folder.write("callgate.yaml", { ...setup, data: "data" });
  stdioConfig = folder.write("stdio.yaml", { ...setup, data: "stdio-data" });
  broker = await startBroker(config);
  token = await broker.token("ann");
});
afterAll(async () => {
  await broker?.stop();
  web?.close();
  web?.closeAllConnections();
  folder.remove();
});

/** What the servers were sent, in order. */
function calledWith(server: string): string[] {
  if (server === "web") return [...webCalls];
  const file = join(folder.path, "called.txt");
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}

/** A request's JSON with the arguments as they are written here: JavaScript could not write them. */
function bodyOf(request: object, args: string): string {
  return JSON.stringify(request).replace('"ARGS"', args);
}

type Call = (tool: string, args: string) => Promise<string>;

const modern =
  (more: Parameters<typeof modernRequest>[3] = {}): Call =>
  async (tool, args) => {
    const { headers, body } = modernRequest(1, "tools/call", { name: tool, arguments: "ARGS" }, more);
    return (await send(broker.url, headersFor(token, headers), bodyOf(body, args))).body;
  };

const legacy: Call = async (tool, args) => {
  const session = await openSession(broker.url, token);
  const body = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: tool, arguments: "ARGS" } };
  return (await send(broker.url, headersFor(token, { "mcp-session-id": session }), bodyOf(body, args))).body;
};

/** A broker over stdio, spoken with line by line. */
class Lines {
  readonly #child: ChildProcess;
  #seen = "";
  #next = 0;

  constructor() {
    this.#child = spawn(process.execPath, stdioBroker(stdioConfig), {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...ENVIRONMENT },
    });
    this.#child.stdout?.on("data", (chunk: Buffer) => (this.#seen += chunk.toString("utf8")));
  }

  write(text: string): void {
    this.#child.stdin?.write(`${text}\n`);
  }

  async request(method: string, params: object, args = ""): Promise<string> {
    const id = ++this.#next;
    this.write(bodyOf({ jsonrpc: "2.0", id, method, params }, args));
    return await until(`an answer to ${method}`, () =>
      this.#seen
        .split("\n")
        .slice(0, -1)
        .find((line) => line.includes(`"id":${id}`)),
    );
  }

  close(): void {
    this.#child.stdin?.end();
  }
}

async function overStdio(era: "legacy" | "modern", use: (call: Call, lines: Lines) => Promise<void>): Promise<void> {
  const lines = new Lines();
  try {
    if (era === "legacy") {
      const clientInfo = { name: "test", version: "1" };
      await lines.request("initialize", { protocolVersion: LEGACY_VERSION, capabilities: {}, clientInfo });
      lines.write('{"jsonrpc":"2.0","method":"notifications/initialized"}');
    }
    await use((name, args) => {
      const params = { name, arguments: "ARGS" };
      if (era === "legacy") return lines.request("tools/call", params, args);
      const { body } = modernRequest(0, "tools/call", params);
      return lines.request("tools/call", (body as { params: object }).params, args);
    }, lines);
  } finally {
    lines.close();
  }
}

interface Way {
  readonly way: string;
  readonly data: "data" | "stdio-data";
  open(use: (call: Call) => Promise<void>): Promise<void>;
}

const WAYS: readonly Way[] = [
  { way: "HTTP, stateless", data: "data", open: (use) => use(modern()) },
  {
    way: "HTTP, stateless, through the SDK",
    data: "data",
    // A client that says more of itself than most is the SDK's handler's to judge, like whatever is not the common request.
    open: (use) => use(modern({ clientInfo: { websiteUrl: "https://example.com" } })),
  },
  { way: "HTTP, sessionful", data: "data", open: (use) => use(legacy) },
  { way: "stdio, sessionful", data: "stdio-data", open: (use) => overStdio("legacy", use) },
  { way: "stdio, stateless", data: "stdio-data", open: (use) => overStdio("modern", use) },
];

describe.each(WAYS)("an integer beyond 2^53: $way", ({ data, open }) => {
  it("is decided, sent, recorded and answered digit by digit", async () => {
    const ledger = join(folder.path, data);
    await open(async (call) => {
      for (const server of ["raw", "web"]) {
        const before = newestIn(ledger);
        const sent = calledWith(server).length;
        const permitted = await call(`${server}__echo`, `{"id":${FIRST}}`);
        const denied = await call(`${server}__echo`, `{"id":${SECOND}}`);
        expect(permitted).toContain(`"structuredContent":{"id":${FIRST}}`);
        expect(permitted).toContain(`"text":"{\\"id\\":${FIRST}}"`);
        expect(denied).toContain("callgate/default-deny");
        expect(calledWith(server).slice(sent)).toEqual([`{"id":${FIRST}}`]);
        const records = recordsIn(ledger, { after: before }).filter((r) => r.kind !== "outcome");
        const decided = records.filter(({ kind }) => kind === "intent" || kind === "denial");
        expect(decided.map((r) => [r.kind, payloadsOf(ledger, r.seq)["args"]])).toEqual([
          ["intent", `{"id":${FIRST}}`],
          ["denial", `{"id":${SECOND}}`],
        ]);
      }
    });
  });

  it("survives a policy that rewrites arguments and one that redacts results", async () => {
    await open(async (call) => {
      for (const server of ["raw", "web"]) {
        await call(`${server}__rewritten`, `{"id":${SECOND},"other":-${FIRST}}`);
        expect(calledWith(server).at(-1)).toBe(`{"id":9223372036854775807,"other":-${FIRST}}`);
        const redacted = await call(`${server}__redacted`, `{"id":${FIRST},"note":"x"}`);
        expect(redacted).toContain(`"structuredContent":{"id":${FIRST},"note":"[redacted]"}`);
      }
    });
  });
});

describe("an integer beyond 2^53", () => {
  it("in a tool's definition is listed as the server wrote it", async () => {
    const { headers, body } = modernRequest(1, "tools/list", {});
    const session = { "mcp-session-id": await openSession(broker.url, token) };
    const answers = await Promise.all([
      send(broker.url, headersFor(token, headers), JSON.stringify(body)),
      send(broker.url, headersFor(token, session), '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'),
    ]);
    const lists = answers.map((answer) => answer.body);
    await overStdio("legacy", async (_, lines) => void lists.push(await lines.request("tools/list", {})));
    for (const list of lists) expect(list.match(/"default":4611686018427387905[,}]/g)).toHaveLength(2);
  });

  it("stands in the ledger as the agent wrote it, and is decided the same again", async () => {
    const before = newestIn(broker.data);
    await modern()("raw__echo", `{"id":${FIRST}}`);
    const seq = recordsIn(broker.data, { after: before }).find((r) => r.kind === "intent")?.seq ?? 0;
    const reader = openReader(broker.data);
    expect(reader.show(seq)?.payloads["args"]).toBe(`{"id":${FIRST}}`);
    reader.close();
    const shown = await callgate("ledger", "show", String(seq), "--config", config);
    expect(shown.lines.join("\n")).toContain(`"id": ${FIRST}`);
    const explained = await callgate("policy", "explain", "--record", String(seq), "--config", config);
    expect(explained.lines).toContain("verdict: allow");
    expect(explained.lines.join("\n")).toContain(`args.id = ${FIRST}`);
  });

  it("that differs in its last digit needs an approval of its own", async () => {
    const operator = new ApprovalStore(broker.data);
    const held = (id: string) =>
      until("the call to be held", () => operator.list("pending").find((a) => a.argsText === `{"id":${id}}`));
    const calls = [FIRST, SECOND].map((id) => modern()("web__held", `{"id":${id}}`));
    const [one, two] = [await held(FIRST), await held(SECOND)];
    expect(one.id).not.toBe(two.id);
    expect(one.args).toBe(digestOf(`{"id":${FIRST}}`));
    const shown = await callgate("approvals", "show", one.id, "--config", config);
    expect(shown.lines.join("\n")).toContain(`"id": ${FIRST}`);
    operator.answer(one.id, "approved", "test");
    operator.answer(two.id, "denied", "test");
    const [first, second] = await Promise.all(calls);
    expect(first).toContain(`"structuredContent":{"id":${FIRST}}`);
    expect(second).toContain("callgate/approval-refused");
    operator.close();
  });

  it.each([
    ["9007199254740992", undefined],
    ["9007199254740993", "must be <= 9007199254740992"],
    ["-9007199254740993", "must be >= 0"],
    ["9007199254740993.5", "must be <= 9007199254740992"],
    ["0.5", "must be integer"],
  ])("is checked against the schema's bounds: %s", async (id, fault) => {
    const answer = await modern()("web__bounded", `{"id":${id}}`);
    if (fault === undefined) expect(answer).toContain(`"structuredContent":{"id":${id}}`);
    else expect(answer).toContain(fault);
  });

  it("beyond 64 bits denies a rule that computes with it, and a number beyond all doubles is refused", async () => {
    const sent = webCalls.length;
    expect(await modern()("web__open", `{"id":1${"0".repeat(30)}}`)).toContain("never-big");
    expect(await modern()("web__open", '{"id":1e400}')).toContain("callgate/invalid-arguments");
    expect(webCalls).toHaveLength(sent);
  });

  it("in a header must be the one in the body", async () => {
    const header = (value: string) => ({ "mcp-param-id": value });
    const { headers, body } = modernRequest(1, "tools/call", { name: "web__echo", arguments: "ARGS" });
    const post = (more: Record<string, string>) =>
      send(broker.url, headersFor(token, { ...headers, ...more }), bodyOf(body, `{"id":${FIRST}}`));
    expect((await post(header(FIRST))).status).toBe(200);
    expect((await post(header(SECOND))).status).toBe(400);
    expect((await post({})).status).toBe(200);
  });

  it.each([
    ["stateless", () => ({ headers: modernRequest(1, "tools/call", { name: "web__echo" }).headers })],
    ["sessionful", async () => ({ headers: { "mcp-session-id": await openSession(broker.url, token) } })],
  ])("is no id of a request that could be answered: %s", async (era, prepare) => {
    const { headers } = await prepare();
    const { body } = modernRequest(1, "tools/call", { name: "web__echo", arguments: "ARGS" });
    const plain = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "web__echo", arguments: "ARGS" } };
    const text = bodyOf(era === "stateless" ? body : plain, `{"id":${FIRST}}`).replace('"id":1,', `"id":${FIRST},`);
    const answer = await send(broker.url, headersFor(token, headers), text);
    expect(answer.status).toBe(400);
    expect(answer.body).toContain('"error"');
  });
});
