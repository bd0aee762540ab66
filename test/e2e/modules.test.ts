import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { type Agent, connect, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, payloadsOf, recordsIn } from "../support/ledger.ts";
import { setTalker } from "../support/talker.ts";
import { until } from "../support/until.ts";

const folder = makeFolder("modules");
let broker: Broker;
let web: Server;
let port: number;
const asked: string[] = [];
const SECRET = "kit-token-0123456789";

/** A module whose tools do what can be done: compute, fetch, call other tools, and misbehave. */
const source = `
export default { tools: {
  double: {
    description: "Doubles",
    input: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
    output: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] },
    handler: ({ n }: { n: number | bigint }) => ({ n: typeof n === "bigint" ? n * 2n : n * 2 }),
  },
  page: {
    description: "Fetches",
    input: { type: "object", properties: { path: { type: "string" }, method: { type: "string" } }, required: ["path"] },
    handler: async ({ path, method = "GET" }: { path: string; method?: string }) => {
      try { return await (await fetch("http://127.0.0.1:PORT" + path, { method })).text() } catch (e) { return e.code + " " + (e.data?.rule ?? "") }
    },
  },
  relay: {
    description: "Calls another tool",
    input: { type: "object", properties: { tool: { type: "string" }, args: { type: "object" } }, required: ["tool"] },
    handler: async ({ tool, args = {} }: { tool: string; args?: object }) => {
      try { return await tools.talker[tool](args) } catch (e) { return (e.code ?? e.name) + " " + (e.data?.rule ?? "") }
    },
  },
  wrong: { description: "Breaks its schema", output: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] }, handler: () => ({ n: "x" }) },
  spin: { description: "Spins", handler: () => { for (;;); } },
  say: { description: "Logs", handler: () => { console.warn("from inside"); return 1; } },
} };
declare const tools: any;
`;

beforeAll(async () => {
  web = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.url === "/who") response.end(`you are ${request.headers.authorization}`);
    else if (request.url === "/hop") response.writeHead(302, { location: "/open" }).end();
    else if (request.url === "/in") response.writeHead(302, { location: "/private" }).end();
    else if (request.url === "/away") response.writeHead(302, { location: "http://169.254.169.254/latest" }).end();
    else response.end("eve@evil.example");
  });
  await new Promise<void>((resolve) => void web.listen(0, "127.0.0.1", resolve));
  port = (web.address() as AddressInfo).port;
  folder.write("kit/tool.ts", source.replaceAll("PORT", String(port)));
  const { server } = setTalker(folder, {
    write: { effects: ["write"] },
    send: { effects: ["external"] },
    hidden: { effects: ["read"], scopes: ["secret:read"] },
  });
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["kit__*", "talker__*"] },
      {
        id: "pages",
        effect: "permit",
        tools: ["kit/sandbox/fetch"],
        when: `args.method == "GET" && args.url.startsWith("http://127.0.0.1:${port}") && !args.url.endsWith("/private")`,
      },
      {
        id: "no-lures",
        effect: "forbid",
        tools: ["talker__send"],
        when: 'origin(args.to).exists(o, o == "untrusted")',
        reason: "from untrusted content",
      },
    ],
  });
  const config = folder.write("callgate.yaml", {
    version: 1,
    data: "data",
    http: { port: 0 },
    servers: { talker: server },
    agents: { ann: { scopes: ["kit:use"] }, bob: { scopes: [] } },
    policies: ["policies.yaml"],
  });
  const registered = await callgate(
    ...["tool", "register", join(folder.path, "kit/tool.ts"), "--server", "kit", "--config", config],
    ...["--allow-host", `127.0.0.1:${port}`, "--allow-call", "talker__*"],
  );
  expect(registered.code, registered.lines.join("\n")).toBe(0);
  // What a person does: reads the draft and says what each tool needs.
  const file = join(folder.path, "manifests/kit.yaml");
  const manifest = parse(readFileSync(file, "utf8"));
  for (const tool of Object.values(manifest.tools) as Record<string, unknown>[])
    Object.assign(tool, { scopes: ["kit:use"], effects: ["read"], labels: [] });
  manifest.module.budgets = { cpu: "500ms", wall: "30s", calls: 5 };
  folder.write("manifests/kit.yaml", stringify(manifest));
  const settings = parse(readFileSync(config, "utf8"));
  settings.servers.kit.fetchHeaders = { [`127.0.0.1:${port}`]: { Authorization: "Bearer ${file:token.txt}" } };
  folder.write("token.txt", SECRET);
  folder.write("callgate.yaml", settings);
  broker = await startBroker(config);
});
afterAll(async () => {
  await broker?.stop();
  web?.close();
  folder.remove();
});

const agentOf = async (name = "ann"): Promise<Agent> =>
  connect("2.x client, modern", { url: broker.url, token: await broker.token(name) });

describe("a registered module", () => {
  it("is a server like any other to an agent: its tools are listed and answer", async () => {
    const agent = await agentOf();
    const { tools } = (await agent.request("tools/list")) as { tools: { name: string }[] };
    expect(tools.map((tool) => tool.name).filter((name) => name.startsWith("kit__"))).toHaveLength(6);
    expect((await agent.call("kit__double", { n: 21 })).structuredContent).toEqual({ n: 42 });
    await agent.close();
  });

  it("is held to scopes, to the schema of its arguments and to that of its result", async () => {
    const [agent, other] = [await agentOf(), await agentOf("bob")];
    expect(ruleOf(await other.call("kit__double", { n: 1 }))).toBe("callgate/missing-scope");
    expect(ruleOf(await agent.call("kit__double", { n: "1" }))).toBe("callgate/invalid-arguments");
    expect(ruleOf(await agent.call("kit__wrong"))).toBe("callgate/invalid-result");
    await agent.close();
    await other.close();
  });

  it("that goes on for ever is ended; the record has why and what it used, and the next call works", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("kit__spin"))).toContain("CPU_TIMEOUT");
    const [call] = await callsAfter(broker.data, before);
    expect(call?.outcome).toMatchObject({ status: "error", error: { code: "sandbox/CPU_TIMEOUT" } });
    expect(
      (call as { outcome: { detail: { run: { cpuMs: number } } } } | undefined)?.outcome.detail.run.cpuMs,
    ).toBeGreaterThan(400);
    expect((await agent.call("kit__double", { n: 2 })).structuredContent).toEqual({ n: 4 });
    await agent.close();
  });

  it("logs to the agent's client", async () => {
    const agent = await agentOf();
    await agent.logs("info");
    await agent.call("kit__say");
    await until("the log", () => agent.heard.some((h) => JSON.stringify(h.params).includes("from inside")));
    await agent.close();
  });
});

describe("what a module fetches", () => {
  it("is a call of its own: decided by policies, recorded under the tool's call, untrusted", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("kit__page", { path: "/open" }))).toBe("eve@evil.example");
    const calls = await callsAfter(broker.data, before);
    const [outer, inner] = calls.map((c) => c.intent);
    expect(inner).toMatchObject({ parent: outer?.call, tool: { server: "kit", name: "sandbox/fetch" } });
    expect(JSON.parse(payloadsOf(broker.data, inner?.seq as number)["args"] as string)).toMatchObject({
      url: `http://127.0.0.1:${port}/open`,
      method: "GET",
    });
    // The page was read into the session: an address from it is no recipient.
    expect(ruleOf(await agent.call("talker__send", { to: "eve@evil.example" }))).toBe("no-lures");
    await agent.close();
  });

  it("is refused where no policy permits it, and nobody is asked", async () => {
    const agent = await agentOf();
    const before = asked.length;
    expect(textOf(await agent.call("kit__page", { path: "/private" }))).toBe("POLICY_DENIED callgate/default-deny");
    expect(textOf(await agent.call("kit__page", { path: "/open", method: "DELETE" }))).toContain("POLICY_DENIED");
    expect(asked).toHaveLength(before);
    await agent.close();
  });

  it("goes to no host but those that the manifest names, not by a redirect either", async () => {
    const agent = await agentOf();
    expect(textOf(await agent.call("kit__page", { path: "/away" }))).toContain("POLICY_DENIED");
    // A redirect within the host is decided like any other fetch.
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("kit__page", { path: "/hop" }))).toBe("eve@evil.example");
    expect((await callsAfter(broker.data, before)).map((c) => c.intent.tool?.name)).toEqual([
      "page",
      "sandbox/fetch",
      "sandbox/fetch",
    ]);
    expect(textOf(await agent.call("kit__page", { path: "/in" }))).toBe("POLICY_DENIED callgate/default-deny");
    // Joined to the host's port, this would be another machine.
    expect(textOf(await agent.call("kit__page", { path: "@evil.example/" }))).toContain("FETCH_");
    await agent.close();
  });

  it("carries the operator's secret to the host, and nowhere else: not into the sandbox, the record or the log", async () => {
    const agent = await agentOf();
    expect(textOf(await agent.call("kit__page", { path: "/who" }))).toBe("you are [secret]");
    await agent.close();
    for (const file of readdirSync(broker.data, { recursive: true, withFileTypes: true }))
      if (file.isFile()) expect(readFileSync(join(file.parentPath, file.name)).includes(SECRET), file.name).toBe(false);
    expect(broker.process.lines.join("\n")).not.toContain(SECRET);
  });

  it("is nothing that an agent can ask for", async () => {
    const agent = await agentOf();
    await expect(
      agent.call("kit/sandbox/fetch", { url: `http://127.0.0.1:${port}/open`, method: "GET" }),
    ).rejects.toThrow("there is no tool");
    await agent.close();
  });
});

describe("what a module calls", () => {
  it("goes with the scopes of its caller, and stands under its call in the record", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("kit__relay", { tool: "write", args: { to: "a" } }))).toBe('{"to":"a"}');
    const [outer, inner] = (await callsAfter(broker.data, before)).map((c) => c.intent);
    expect([inner?.parent, inner?.agent]).toEqual([outer?.call, "ann"]);
    expect(textOf(await agent.call("kit__relay", { tool: "hidden" }))).toContain("TypeError");
    await agent.close();
  });

  it("cannot be used to go round a rule about origins", async () => {
    const agent = await agentOf();
    await agent.call("kit__page", { path: "/open" });
    const before = newestIn(broker.data);
    const sent = await agent.call("kit__relay", { tool: "send", args: { to: "eve@evil.example" } });
    expect(textOf(sent)).toBe("POLICY_DENIED no-lures");
    expect(recordsIn(broker.data, { after: before, kind: ["denial"] })).toHaveLength(1);
    await agent.close();
  });
});

describe("a bundle that is not the pinned one", () => {
  it("does not load: the tools stay those of the bundle that was pinned", async () => {
    const agent = await agentOf();
    appendFileSync(join(folder.path, "modules/kit.js"), "\n// changed\n");
    const checked = await callgate("check", "--config", broker.config);
    expect(checked.code).not.toBe(0);
    expect(checked.lines.join("\n")).toContain("is not the one that its manifest pins");
    await broker.process.line(/is not the one that its manifest pins/);
    expect((await agent.call("kit__double", { n: 3 })).structuredContent).toEqual({ n: 6 });
    await agent.close();
  });
});
