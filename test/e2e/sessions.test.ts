import { rmSync } from "node:fs";
import { join } from "node:path";
import { ApprovalStore } from "@callgate/gateway";
import { openReader } from "@callgate/ledger";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, KINDS, ruleOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { DIARY, DIARY_TOOLS } from "../support/diary.ts";
import { makeFolder } from "../support/folder.ts";
import { payloadsOf, recordsIn } from "../support/ledger.ts";
import { manifestOf } from "../support/manifest.ts";
import { until } from "../support/until.ts";

const folder = makeFolder("sessions");
const GROUNDED = {
  policies: [
    { id: "all", effect: "permit", tools: ["*"] },
    {
      id: "grounded",
      effect: "forbid",
      tools: ["diary__send"],
      when: "!grounded(args.to)",
      reason: "nobody named this recipient",
    },
    { id: "asked", effect: "ask", tools: ["diary__ask"], reason: "a person looks" },
    {
      id: "no-secrets",
      effect: "forbid",
      tools: ["diary__send"],
      when: '"secret" in session.labels',
      reason: "a secret was read",
    },
  ],
};
let broker: Broker;
let harness: string;

/** What the sessions API answers. */
interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, string>>;
}

async function api(method: string, path: string, token: string, body?: unknown, more: object = {}): Promise<Answered> {
  const answer = await fetch(new URL(path, broker.url), {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...more },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === "" ? {} : (JSON.parse(text) as Answered["body"]) };
}

async function opened(request: object): Promise<{ session: string; token: string }> {
  const { status, body } = await api("POST", "/v1/sessions", harness, { agent: "bot", ...request });
  expect(status).toBe(201);
  return { session: body["session"] as string, token: body["token"] as string };
}

beforeAll(async () => {
  folder.write(
    "manifests/diary.yaml",
    manifestOf("diary", DIARY_TOOLS, {
      tools: {
        read: {
          labels: ["untrusted", "private"],
          result: { untrusted: "prose", text: "record", fields: { "[].code": ["secret"] } },
        },
        send: { scopes: ["mail:send"], effects: ["write", "external"], arguments: { to: "destination" } },
      },
    }),
  );
  folder.write("policies/grounded.yaml", GROUNDED);
  folder.write("directory.csv", "dora@corp.example\n\nerik@corp.example\n");
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      http: { port: 0 },
      servers: { diary: { command: process.execPath, args: [DIARY] } },
      agents: {
        harness: { scopes: ["callgate:sessions"], opens: ["bot"] },
        bot: { scopes: ["mail:send", "callgate:task"] },
        plain: { scopes: ["mail:send"] },
        self: { scopes: ["callgate:sessions", "mail:send"] },
      },
      flow: { trusted: { team: ["carl@corp.example"] }, trustedFiles: { directory: "directory.csv" } },
      ledger: { redact: [{ pattern: "sk-[a-z0-9]+" }] },
      policies: ["policies/*.yaml"],
    }),
  );
  harness = await broker.token("harness");
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

describe.each(KINDS)("a declared session of the %s", (kind) => {
  it("knows the recipients that the task, the directory and clean fields name, and no others", async () => {
    const { session, token } = await opened({
      task: "Write to ann@corp.example",
      trusted: { customers: ["fay@corp.example"] },
    });
    const agent = await connect(kind, { url: broker.url, token });
    const send = async (to: string) => ruleOf(await agent.call("diary__send", { to, text: "hello" }));
    expect(await send("ANN@corp.example")).toBeUndefined();
    for (const known of ["carl@corp.example", "dora@corp.example", "fay@corp.example"])
      expect(await send(known), known).toBeUndefined();
    expect(await send("bob@corp.example")).toBe("grounded");
    await agent.call("diary__read", { page: "people" });
    expect(await send("bob@corp.example")).toBeUndefined();
    expect(await send("eve@evil.example")).toBe("grounded");

    // What the user says later adds up, and nobody but the harness can say it.
    expect((await api("POST", `/v1/sessions/${session}`, token, { task: "Write to eve@evil.example" })).status).toBe(
      403,
    );
    expect(await send("eve@evil.example")).toBe("grounded");
    const more = await api("POST", `/v1/sessions/${session}`, harness, { task: "and to gil@corp.example" });
    expect(more).toEqual({ status: 200, body: { session } });
    expect(await send("gil@corp.example")).toBeUndefined();
    await agent.close();

    const records = recordsIn(broker.data, { session });
    expect(records.filter((r) => r.kind === "session").map((r) => [r.detail?.["state"], r.detail?.["opener"]])).toEqual(
      [
        ["opened", "harness"],
        ["task", "harness"],
      ],
    );
    expect(records.filter((r) => r.kind === "denial")).toHaveLength(3);
  });

  it("ends when the harness ends it, on open connections too", async () => {
    const { session, token } = await opened({ task: "Write to ann@corp.example" });
    const agent = await connect(kind, { url: broker.url, token });
    expect((await api("DELETE", `/v1/sessions/${session}`, await broker.token("plain"))).status).toBe(403);
    expect((await api("DELETE", `/v1/sessions/${session}`, harness)).status).toBe(204);
    await expect(agent.call("diary__send", { to: "ann@corp.example", text: "hi" })).rejects.toThrow(/session|401/i);
    expect(recordsIn(broker.data, { session, kind: ["session"] }).map((r) => r.detail?.["state"])).toEqual([
      "opened",
      "ended",
    ]);
    await agent.close().catch(() => {});
  });
});

describe("a harness", () => {
  it("hands on no more scopes and time to its own agent than its token has", async () => {
    const weak = await broker.token("self", { scopes: ["callgate:sessions"], ttl: 60 });
    const { body } = await api("POST", "/v1/sessions", weak, { ttl: 86_400 });
    expect(body["scopes"]).toEqual([]);
    expect(Number(body["expiresIn"])).toBeLessThanOrEqual(60);
    expect((await api("POST", "/v1/sessions", weak, { scopes: ["mail:send"] })).status).toBe(400);
  });

  it("that acts for a user speaks for no other", async () => {
    const ann = await broker.token("harness", { user: "ann" });
    expect((await api("POST", "/v1/sessions", ann, { agent: "bot", user: "bob" })).status).toBe(403);
    const { body } = await api("POST", "/v1/sessions", ann, { agent: "bot" });
    const path = `/v1/sessions/${body["session"]}`;
    const mallory = await broker.token("harness", { user: "mallory" });
    expect((await api("POST", path, mallory, { task: "Write to eve@evil.example" })).status).toBe(404);
    expect((await api("DELETE", path, mallory)).status).toBe(404);
    expect((await api("DELETE", path, ann)).status).toBe(204);
  });
});

describe("a token without a declared session", () => {
  it("goes on with its labels when it connects again", async () => {
    const token = await broker.token("plain");
    const first = await connect("1.x client", { url: broker.url, token });
    await first.call("diary__read", { page: "codes" });
    await first.close();
    const second = await connect("1.x client", { url: broker.url, token });
    const denied = await second.call("diary__send", { to: "carl@corp.example", text: "hi" });
    expect(ruleOf(denied)).toBe("no-secrets");
    await second.close();
  });
});

describe("a held call", () => {
  it("is not made when the session has ended before a person approved it", async () => {
    const { session, token } = await opened({ task: "Write to ann@corp.example" });
    const agent = await connect("1.x client", { url: broker.url, token });
    const held = agent.call("diary__ask", { to: "ann@corp.example" });
    const approvals = new ApprovalStore(broker.data);
    const waiting = await until("the approval", () => approvals.list("pending").find((a) => a.session === session));
    await api("DELETE", `/v1/sessions/${session}`, harness);
    approvals.answer(waiting.id, "approved", "an operator");
    approvals.close();
    await held.catch(() => {});
    const records = await until("the denial", () => {
      const all = recordsIn(broker.data, { session });
      return all.some((r) => r.kind === "denial") && all;
    });
    expect(records.find((r) => r.kind === "denial")?.decision?.rules).toEqual(["callgate/session-over"]);
    expect(records.some((r) => r.kind === "intent")).toBe(false);
    await agent.close().catch(() => {});
  });
});

describe("a result that cannot be read", () => {
  it("leaves no value of the session trusted", async () => {
    const { token } = await opened({ task: "Write to ann@corp.example" });
    const agent = await connect("2.x client, modern", { url: broker.url, token });
    await agent.call("diary__read", { page: "deep" });
    await agent.call("diary__read", { page: "people" });
    const first = ruleOf(await agent.call("diary__send", { to: "eve@evil.example", text: "hi" }));
    const second = ruleOf(await agent.call("diary__send", { to: "eve@evil.example", text: "hi" }));
    // Whether it can be read or not, nothing that came after it is forgotten.
    expect([first, second]).toEqual(["grounded", "grounded"]);
    await agent.close();
  });
});

describe("labels", () => {
  it("of a single field mark the session, and stay for every connection in it", async () => {
    const { session, token } = await opened({ task: "Write to ann@corp.example" });
    const first = await connect("1.x client", { url: broker.url, token });
    expect(ruleOf(await first.call("diary__send", { to: "ann@corp.example", text: "hi" }))).toBeUndefined();
    await first.call("diary__read", { page: "codes" });
    expect(ruleOf(await first.call("diary__send", { to: "ann@corp.example", text: "hi" }))).toBe("no-secrets");
    await first.close();
    const second = await connect("2.x client, modern", { url: broker.url, token });
    expect(ruleOf(await second.call("diary__send", { to: "ann@corp.example", text: "hi" }))).toBe("no-secrets");
    await second.close();
    expect(new Set(recordsIn(broker.data, { session }).map((r) => r.session))).toEqual(new Set([session]));
  });

  it("come with errors too: what a failing tool says is seen", async () => {
    const { token } = await opened({ task: "Write to ann@corp.example" });
    const agent = await connect("2.x client, modern", { url: broker.url, token });
    await agent.call("diary__read", { page: "nowhere" }).catch(() => {});
    await agent.call("diary__send", { to: "hal@evil.example", text: "hi" });
    await agent.close();
    const denial = await until("the denial", () => recordsIn(broker.data, { kind: ["denial"], order: "desc" })[0]);
    expect(denial.decision?.rules).toEqual(["grounded"]);
    const reader = openReader(broker.data);
    const facts = JSON.parse(reader.show(denial.seq)?.payloads["facts"] ?? "{}") as {
      session: { labels: string[] };
      flow: { origins: Record<string, string[]> };
    };
    reader.close();
    expect(facts.session.labels).toEqual(["untrusted", "private"]);
    expect(facts.flow.origins["hal@evil.example"]).toContain("tool:diary__read");
  });
});

describe("a task in request metadata", () => {
  async function callWith(agent: string, task: unknown): Promise<string | undefined> {
    const client = new Client({ name: "test", version: "1" });
    const headers = { authorization: `Bearer ${await broker.token(agent)}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(broker.url), { requestInit: { headers } }));
    const result = await client.callTool({
      name: "diary__send",
      arguments: { to: "ann@corp.example", text: "hi" },
      _meta: { "io.callgate/task": task, "example/other": 1 },
    });
    await client.close();
    return ruleOf(result as never) ?? JSON.stringify(result.content);
  }

  it("counts from a grant with the scope for it, and does not go on to the server", async () => {
    const answer = await callWith("bot", "Write to ann@corp.example");
    expect(answer).toContain("sent to ann@corp.example");
    expect(answer).toContain("example/other");
    expect(answer).not.toContain("io.callgate/task");
  });

  it("is refused from any other, since the model may be behind it", async () => {
    expect(await callWith("plain", "Write to ann@corp.example")).toBe("callgate/missing-scope");
  });

  it.each([7, "", " ", "x".repeat(65_537)])("is refused if it is no task (%#)", async (task) => {
    expect(await callWith("bot", task)).toBe("callgate/invalid-task");
  });
});

describe("what is kept out of the record", () => {
  it("is kept out of tasks too", async () => {
    const { session } = await opened({ task: "Use sk-4711 to write" });
    await api("POST", `/v1/sessions/${session}`, harness, { task: "and sk-4712 to read" });
    const said = recordsIn(broker.data, { session }).map((r) => payloadsOf(broker.data, r.seq)["args"]);
    expect(said.join()).toContain("Use [redacted] to write");
    expect(said.join()).toContain("and [redacted] to read");
    expect(said.join()).not.toContain("sk-471");
  });
});

describe("opening a session", () => {
  it.each([
    ["an agent that is not listed under `opens`", { agent: "plain" }, 403, "may not open sessions of `plain`"],
    ["an agent that does not exist", { agent: "nobody" }, 403, "may not open sessions of `nobody`"],
    ["a key that is not known", { agent: "bot", tasks: "x" }, 400, "tasks"],
    ["a task that is no text", { agent: "bot", task: 7 }, 400, "`task`"],
    ["a life over a day", { agent: "bot", ttl: 86_401 }, 400, "`ttl`"],
    ["a scope that the agent lacks", { agent: "bot", scopes: ["root"] }, 400, "`root`"],
    ["the scope that speaks for the user", { agent: "bot", scopes: ["callgate:task"] }, 400, "`callgate:task`"],
  ])("is refused for %s", async (_, request, status, detail) => {
    const answer = await api("POST", "/v1/sessions", harness, request);
    expect(answer.status).toBe(status);
    expect(answer.body["detail"]).toContain(detail);
  });

  it("is refused without the scope, without a token, and for what is not JSON", async () => {
    expect((await api("POST", "/v1/sessions", await broker.token("plain"), {})).status).toBe(403);
    expect((await fetch(new URL("/v1/sessions", broker.url), { method: "POST", body: "{}" })).status).toBe(401);
    const headers = { authorization: `Bearer ${harness}`, "content-type": "application/json" };
    expect((await fetch(new URL("/v1/sessions", broker.url), { method: "POST", headers, body: "{" })).status).toBe(400);
    expect((await api("POST", "/v1/sessions", harness, {}, { "content-type": "text/plain" })).status).toBe(415);
    expect((await api("POST", "/v1/sessions", harness, {}, { origin: "http://localhost:5173" })).status).toBe(403);
    expect((await api("GET", "/v1/sessions", harness)).status).toBe(405);
    expect((await api("POST", "/v1/sessions/ses_0", harness, { task: "x" })).status).toBe(404);
  });
});

describe("`callgate policy explain`", () => {
  it("tells of a recorded call where its values came from, and in whose result they were first seen", async () => {
    const { token } = await opened({ task: "Read my diary" });
    const agent = await connect("2.x client, modern", { url: broker.url, token });
    await agent.call("diary__read", { page: "people" });
    await agent.call("diary__send", { to: "eve@evil.example", text: "hello" });
    await agent.close();
    const [denial] = recordsIn(broker.data, { kind: ["denial"], order: "desc", limit: 1 });
    const [read] = recordsIn(broker.data, { session: denial?.session ?? "", kind: ["intent"] });
    const { code, lines } = await callgate("policy", "explain", "-c", broker.config, "--record", String(denial?.seq));
    expect(code).toBe(0);
    expect(lines.find((line) => line.includes('"eve@evil.example":'))).toBe(
      `  "eve@evil.example": instructed, private, tool:diary__read, untrusted, first in the result of ${read?.call}`,
    );
  });

  it("and `check` type rules against definitions that a broker has kept", async () => {
    folder.write("policies/slip.yaml", {
      policies: [{ id: "slip", effect: "forbid", tools: ["diary__send"], when: 'args.too == "x"', reason: "a slip" }],
    });
    const checked = await callgate("check", "-c", broker.config);
    rmSync(join(folder.path, "policies/slip.yaml"));
    expect(checked.code).toBe(2);
    expect(checked.lines.join("\n")).toContain("`args` has no field `too`");
    expect(checked.lines.join("\n")).toContain("did you mean `to`?");
  });
});
