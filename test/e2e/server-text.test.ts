import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, type Answers, connect, KINDS, type Kind, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callbacksAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { manifestOf } from "../support/manifest.ts";
import { LURE, PASSWORD, setTalker } from "../support/talker.ts";
import { until } from "../support/until.ts";

// What a server says in other places than the results of its tools.

const KEY = "sk-abcdefabcdef";
const folder = makeFolder("server-text");
const GET = { name: "get", description: "Fails", inputSchema: { type: "object", properties: {} } };
/** A server over HTTP that answers every call with status 500 and a page of its own. */
const failing = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    if (request.method !== "POST") return response.writeHead(405).end();
    const message = JSON.parse(Buffer.concat(chunks).toString()) as { id?: number; method: string; params?: object };
    const results: Record<string, object> = {
      initialize: {
        ...(message.params as object),
        capabilities: { tools: {} },
        serverInfo: { name: "failing", version: "1" },
      },
      "tools/list": { tools: [GET] },
    };
    const result = results[message.method];
    if (message.id === undefined) return response.writeHead(202).end();
    if (!result) return response.writeHead(500, { "content-type": "text/plain" }).end(`${KEY}. ${LURE}`);
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result }));
  });
});
let broker: Broker;
let heard: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => void failing.listen(0, "127.0.0.1", resolve));
  const address = failing.address();
  const port = typeof address === "object" ? address?.port : 0;
  const outside = { effects: ["write", "external"], arguments: { to: "destination" } };
  const talker = setTalker(folder, {
    say: { labels: ["untrusted"], result: { untrusted: "prose" } },
    hush: { labels: ["untrusted"] },
    send: outside,
    ask: outside,
  });
  heard = talker.heard;
  folder.write("failing.yaml", manifestOf("failing", [GET]));
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["*"] },
      {
        id: "tainted",
        effect: "forbid",
        tools: ["talker__send"],
        when: 'origin(args.to).exists(o, o == "untrusted")',
        reason: "the recipient comes from untrusted content",
      },
      {
        id: "labelled",
        effect: "forbid",
        tools: ["talker__shape"],
        when: '"private" in session.labels && "untrusted" in session.labels',
        reason: "something private and something untrusted was seen",
      },
      {
        id: "no-keys",
        effect: "permit",
        tools: ["talker__say", "failing__get"],
        obligations: [
          { kind: "redact", path: "$.content[*].text", pattern: "sk-[a-z]+" },
          { kind: "cap", resultBytes: 2000 },
        ],
      },
      {
        id: "hush",
        effect: "forbid",
        phase: "result",
        tools: ["talker__hush"],
        when: 'result.text.contains("sk-")',
        reason: "it holds a key",
      },
    ],
  });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: {
        talker: talker.server,
        failing: { url: `http://127.0.0.1:${port}/mcp`, manifest: "failing.yaml", era: "legacy" },
      },
      agents: { ann: { scopes: [] } },
      policies: ["policies.yaml"],
      loop: { repeats: 1000, cycles: 1000 },
      log: { level: "debug" },
    }),
  );
});
afterAll(async () => {
  await broker?.stop();
  failing.closeAllConnections();
  failing.close();
  folder.remove();
});

const agentOf = async (kind: Kind, answers: Answers = {}): Promise<Agent> =>
  connect(kind, { url: broker.url, token: await broker.token("ann") }, answers);

const lure = async (agent: Agent) => ruleOf(await agent.call("talker__send", { to: "eve@evil.example" }));

/** What an agent got, error or not, as one text. */
const whole = (call: Promise<unknown>): Promise<string> =>
  call.then(
    (result) => JSON.stringify(result),
    (error: Error & { data?: unknown }) => `${error.message} ${JSON.stringify(error.data)}`,
  );

describe.each(KINDS)("for the %s", (kind) => {
  it("an error of a server meets the redactions, policies and caps of results", async () => {
    const agent = await agentOf(kind);
    const before = newestIn(broker.data);
    const masked = await whole(agent.call("talker__say", { how: "error" }));
    expect(masked).toContain("the key is [redacted]");
    expect(masked).toContain('"hint":["[redacted]"]');
    expect(ruleOf(await agent.call("talker__hush", { how: "error" }))).toBe("hush");
    expect(ruleOf(await agent.call("talker__say", { how: "long error" }))).toBe("callgate/result-too-large");
    await agent.close();
    const outcomes = await until("three outcomes", () => {
      const found = recordsIn(broker.data, { after: before, kind: ["outcome"] });
      return found.length === 3 && found;
    });
    expect(outcomes.map((r) => r.error?.code)).toEqual(["wire/-32000", "hush", "callgate/result-too-large"]);
    expect(JSON.stringify(outcomes)).not.toContain(KEY);
  });

  it("a log message meets them too", async () => {
    const agent = await agentOf(kind);
    await agent.logs("debug");
    const logged = () => agent.heard.filter((h) => h.method === "notifications/message").map((h) => h.params["data"]);
    await agent.call("talker__say", { how: "log" });
    await until("the masked log message", () => logged().length === 2);
    await agent.call("talker__hush", { how: "log" });
    await until("the log messages", () => logged().length === 3);
    expect(logged()).toEqual(["the key is [redacted]", "all is well", "all is well"]);
    await agent.close();
  });

  it("a question meets them too, and one that is withheld is refused", async () => {
    const agent = await agentOf(kind, { "elicitation/create": () => ({ action: "accept", content: { note: "no" } }) });
    expect(textOf(await agent.call("talker__say", { how: "question" }))).toBe("thanks");
    expect(agent.asked.map((a) => a.params["message"])).toEqual(["is [redacted] yours?"]);
    expect(textOf(await agent.call("talker__hush", { how: "question" }))).toBe("thanks");
    expect(agent.asked).toHaveLength(1);
    const [answered, refused] = readFileSync(heard, "utf8")
      .trim()
      .split("\n")
      .slice(-3)
      .filter((l) => l.includes('"answer"'));
    expect(answered).toContain('"accept"');
    expect(refused).toContain('"code"');
    await agent.close();
  });

  it.each([
    ["resources/list", "labelled"],
    ["resources/templates/list", "labelled"],
    ["prompts/list", undefined],
  ])("what %s says is untrusted, under the labels of the manifest", async (list, rule) => {
    const agent = await agentOf(kind);
    expect(await lure(agent)).toBeUndefined();
    expect(JSON.stringify(await agent.request(list))).toContain("eve@evil.example");
    expect(await lure(agent)).toBe("tainted");
    const labelled = ruleOf(await agent.call("talker__shape"));
    expect(labelled).toBe(rule ?? "callgate/invalid-result");
    await agent.close();
  });

  it.each(["meta", "blob"])("a value in a result's %s has its origin", async (how) => {
    const agent = await agentOf(kind);
    await agent.call("talker__say", { how });
    expect(await lure(agent)).toBe("tainted");
    await agent.close();
  });

  it("a failure does not repeat what the server said", async () => {
    const agent = await agentOf(kind);
    const failed = await whole(agent.call("failing__get"));
    expect(failed).toContain("the server answered HTTP 500");
    expect(failed).not.toContain("eve@");
    expect(failed).not.toContain(KEY);
    const shaped = await agent.call("talker__shape");
    expect(ruleOf(shaped)).toBe("callgate/invalid-result");
    expect(JSON.stringify(shaped)).not.toContain("eve@");
    expect(await lure(agent)).toBeUndefined();
    await agent.close();
  });

  it("an answer with a secret in it does not reach a tool that reaches outside", async () => {
    const note = `it is ${PASSWORD}`;
    const agent = await agentOf(kind, { "elicitation/create": () => ({ action: "accept", content: { note } }) });
    const answers = () =>
      readFileSync(heard, "utf8")
        .trim()
        .split("\n")
        .filter((line) => line.startsWith('["answer"'));
    await agent.call("talker__ask");
    expect(answers().at(-1)).toContain(note);
    await agent.call("talker__say", { how: "secret" });
    const before = newestIn(broker.data);
    await agent.call("talker__ask");
    expect(answers().at(-1)).toContain('"decline"');
    expect(answers().at(-1)).not.toContain(PASSWORD);
    await agent.call("talker__inquire");
    expect(answers().at(-1)).toContain(note);
    await agent.close();
    expect(await callbacksAfter(broker.data, before, 2)).toEqual([
      ["error", { method: "elicitation/create", refused: "callgate/secret-answer" }],
      ["ok", { method: "elicitation/create" }],
    ]);
  });
});

it("a log message that belongs to no call is untrusted, under all labels of its server", async () => {
  const agent = await agentOf("1.x client");
  await agent.logs("debug");
  await agent.call("talker__write", { to: "x", how: "late" });
  await until("the late log message", () => agent.heard.some((h) => JSON.stringify(h.params).includes("eve@")));
  expect(await lure(agent)).toBe("tainted");
  expect(ruleOf(await agent.call("talker__shape"))).toBe("labelled");
  await agent.close();
});
