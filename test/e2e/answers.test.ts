import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, KINDS, type Kind, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callbacksAfter, newestIn } from "../support/ledger.ts";
import { manifestOf } from "../support/manifest.ts";
import { VERSION } from "../support/wire.ts";

// Questions of a server of the stateless era, which asks by breaking off and is answered by a request that goes on.

const PASSWORD = "hunter2-xyz-99";
const tool = (name: string) => ({ name, description: "Asks", inputSchema: { type: "object", properties: {} } });
const TOOLS = ["read", "ask", "inquire", "hush"].map(tool);
/** What came back for each question. */
const answers: unknown[] = [];

interface Call {
  readonly id?: number;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly inputResponses?: Readonly<Record<string, unknown>> };
}

function resultOf({ method, params = {} }: Call): object | undefined {
  switch (method) {
    case "server/discover":
      return { resultType: "complete", supportedVersions: [VERSION], capabilities: { tools: {} } };
    case "tools/list":
      return { resultType: "complete", tools: TOOLS };
    case "tools/call":
      break;
    default:
      return undefined;
  }
  const said = (text: string) => ({ resultType: "complete", content: [{ type: "text", text }] });
  if (params.name === "read") return said(JSON.stringify({ password: PASSWORD }));
  if (params.inputResponses) {
    answers.push(params.inputResponses["note"]);
    return said("thanks");
  }
  const requestedSchema = { type: "object", properties: { note: { type: "string" } } };
  const question = { mode: "form", message: "the key is sk-abc", requestedSchema };
  return {
    resultType: "input_required",
    requestState: "state",
    inputRequests: { note: { method: "elicitation/create", params: question } },
  };
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const call = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Call;
    const result = call.id === undefined ? undefined : resultOf(call);
    if (!result) return response.writeHead(request.method === "POST" ? 404 : 405).end();
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify({ jsonrpc: "2.0", id: call.id, result }));
  });
});
const folder = makeFolder("answers");
let broker: Broker;

beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  folder.write(
    "asking.yaml",
    manifestOf("asking", TOOLS, { callbacks: ["elicitation"], tools: { ask: { effects: ["write", "external"] } } }),
  );
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["*"] },
      {
        id: "no-secrets",
        effect: "forbid",
        tools: ["asking__ask"],
        when: 'origin(args).exists(o, o == "secret")',
        reason: "it carries a secret",
      },
      {
        id: "mask",
        effect: "permit",
        tools: ["asking__inquire"],
        obligations: [{ kind: "redact", path: "$.content[*].text", pattern: "sk-[a-z]+" }],
      },
      {
        id: "hush",
        effect: "forbid",
        phase: "result",
        tools: ["asking__hush"],
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
      servers: { asking: { url: `http://127.0.0.1:${port}/mcp`, manifest: "asking.yaml", era: "modern" } },
      agents: { ann: { scopes: [] } },
      policies: ["policies.yaml"],
      log: { level: "warn" },
    }),
  );
});
afterAll(async () => {
  await broker?.stop();
  server.closeAllConnections();
  server.close();
  folder.remove();
});

describe.each(KINDS)("for the %s", (kind: Kind) => {
  const agentOf = async (note: string): Promise<Agent> =>
    connect(
      kind,
      { url: broker.url, token: await broker.token("ann") },
      { "elicitation/create": () => ({ action: "accept", content: { note } }) },
    );

  it("an answer with a secret in it does not reach a tool that reaches outside", async () => {
    const agent = await agentOf(`it is ${PASSWORD}`);
    await agent.call("asking__read");
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("asking__ask"))).toBe("thanks");
    expect(answers.at(-1)).toEqual({ action: "decline" });
    expect(textOf(await agent.call("asking__inquire"))).toBe("thanks");
    expect(answers.at(-1)).toMatchObject({ content: { note: `it is ${PASSWORD}` } });
    await agent.close();
    expect(await callbacksAfter(broker.data, before, 2)).toEqual([
      ["error", { method: "elicitation/create", refused: "callgate/secret-answer" }],
      ["ok", { method: "elicitation/create" }],
    ]);
  });

  it("a question meets the policies and redactions of results", async () => {
    const agent = await agentOf("yes");
    expect(textOf(await agent.call("asking__inquire"))).toBe("thanks");
    expect(agent.asked.map((a) => a.params["message"])).toEqual(["the key is [redacted]"]);
    await agent.call("asking__hush").catch((error: Error) => expect(error.message).toContain("withholds"));
    expect(agent.asked).toHaveLength(1);
    await agent.close();
  });
});
