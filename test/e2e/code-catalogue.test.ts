import { afterAll, beforeAll, expect, it } from "vitest";
import { type Agent, connect, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { setMany } from "../support/many.ts";

const folder = makeFolder("catalogue");
let broker: Broker;

beforeAll(async () => {
  folder.write("policies.yaml", { policies: [{ id: "all", effect: "permit", tools: ["*"] }] });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: { many: setMany(folder) },
      agents: { ann: { scopes: ["code:run"] }, bob: { scopes: [] } },
      policies: ["policies.yaml"],
      code: { list: "scripts", tools: ["many__*"] },
    }),
  );
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

const agentOf = async (name: string): Promise<Agent> =>
  connect("2.x client, modern", { url: broker.url, token: await broker.token(name) });
const toolsOf = async (agent: Agent): Promise<string[]> =>
  ((await agent.request("tools/list")) as { tools: { name: string }[] }).tools.map((tool) => tool.name);

it("an agent that runs scripts sees three tools in place of a thousand, finds one of them, and uses it", async () => {
  const agent = await agentOf("ann");
  expect(await toolsOf(agent)).toEqual(["callgate__run_code", "callgate__search_tools", "callgate__describe_tool"]);
  const found = await agent.call("callgate__search_tools", { query: "merge shipments of department 7" });
  const { tools, total } = found.structuredContent as { tools: { tool: string }[]; total: number };
  expect([tools[0]?.tool, tools.length, total]).toEqual(["many__merge_shipment_7", 10, 1000]);
  // What a model reads of it is short.
  expect(textOf(found).length).toBeLessThan(3000);
  const described = await agent.call("callgate__describe_tool", { tools: ["many__merge_shipment_7"] });
  expect(textOf(described)).toContain("merge_shipment_7(args: { id?: string }): Promise<unknown>;");
  const run = await agent.call("callgate__run_code", { code: "return await tools.many.merge_shipment_7({})" });
  expect(run.structuredContent).toMatchObject({ value: "merge_shipment_7" });
  // What is not listed can be called all the same: a list is no permission.
  expect(textOf(await agent.call("many__merge_shipment_7"))).toBe("merge_shipment_7");
  await agent.close();
});

it("an agent that cannot run scripts sees the tools themselves", async () => {
  const agent = await agentOf("bob");
  expect(await toolsOf(agent)).toHaveLength(1000);
  await agent.close();
});

it("tools with the names of what objects have are tools like any others", async () => {
  const agent = await agentOf("ann");
  const code = `const said = [];
    for (const name of ["constructor", "toString", "valueOf", "then", "a-b"]) said.push(await tools.many[name]({}));
    return said`;
  const run = await agent.call("callgate__run_code", { code });
  expect(run.structuredContent).toMatchObject({ value: ["constructor", "toString", "valueOf", "then", "a-b"] });
  await agent.close();
});
