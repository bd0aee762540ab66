import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, ruleOf, type ToolResult } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { setTalker } from "../support/talker.ts";

const folder = makeFolder("runaway");
let broker: Broker;

beforeAll(async () => {
  const { server } = setTalker(folder, {
    say: { effects: ["read", "external"] },
    write: { effects: ["write"], limits: { cost: 5 } },
  });
  folder.write("policies.yaml", { policies: [{ id: "all", effect: "permit", tools: ["*"] }] });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: { talker: server },
      agents: { ann: { scopes: ["code:run"] }, bob: { scopes: ["code:run"] }, eve: { scopes: ["code:run"] } },
      policies: ["policies.yaml"],
      code: { budgets: { calls: 200, wall: "30s", cost: 1000, depth: 2 } },
      budgets: {
        session: { calls: 1000, callsPerMinute: 1000, cost: 100000 },
        agents: { bob: { callsPerMinute: 12 }, eve: { calls: 30 } },
      },
      loop: { repeats: 5, window: "60s", cycles: 3 },
    }),
  );
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

const agentOf = async (name: string): Promise<Agent> =>
  connect("2.x client, modern", { url: broker.url, token: await broker.token(name) });
const run = (agent: Agent, code: string): Promise<ToolResult> => agent.call("callgate__run_code", { code });
const bodyOf = (result: ToolResult) =>
  result.structuredContent as { value?: unknown; error?: { code: string }; usage: Record<string, number> };
const deniedBy = (after: number): (string | undefined)[] =>
  recordsIn(broker.data, { after, kind: ["denial"] }).map((r) => r.decision?.rules[0]);

/** Never the same call twice, so that only what is counted can stop it. */
const DIFFERENT = `for (let i = 0; ; i++) await tools.talker.say({ how: String(i) + Math.random() })`;

describe("a script that calls a tool for ever", () => {
  it("is stopped by its call budget", async () => {
    const agent = await agentOf("ann");
    const before = newestIn(broker.data);
    expect(bodyOf(await run(agent, DIFFERENT))).toMatchObject({
      error: { code: "CALL_BUDGET" },
      usage: { calls: 200 },
    });
    const outcome = (await callsAfter(broker.data, before)).find((c) => c.intent.tool?.name === "run_code")?.outcome;
    expect(outcome).toMatchObject({ status: "error", error: { code: "sandbox/CALL_BUDGET" } });
    await agent.close();
  });

  it("is stopped by what its calls cost", async () => {
    const agent = await agentOf("ann");
    const before = newestIn(broker.data);
    const body = bodyOf(await run(agent, "for (let i = 0; ; i++) await tools.talker.write({ to: String(i) })"));
    // 20 writes are allowed; with 5 units each the writes are over first.
    expect(body).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { writes: 20, cost: 100 } });
    expect(deniedBy(before)).toEqual(["callgate/run-budget"]);
    await agent.close();
  });

  it("is stopped by its agent's rate, also where it catches every refusal", async () => {
    const agent = await agentOf("bob");
    const before = newestIn(broker.data);
    const body = bodyOf(
      await run(agent, `for (let i = 0; ; i++) try { await tools.talker.say({ how: String(i) }) } catch {}`),
    );
    expect(body).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { calls: 200 } });
    const denied = deniedBy(before);
    // The script itself is the first of twelve calls.
    expect(denied).toHaveLength(200 - 11);
    expect(new Set(denied)).toEqual(new Set(["callgate/budget-rate"]));
    await agent.close();
  });

  it("is stopped by its agent's budget", async () => {
    const agent = await agentOf("eve");
    const before = newestIn(broker.data);
    const result = await run(agent, `try { ${DIFFERENT} } catch (e) { return e.data.rule }`);
    expect(bodyOf(result)).toMatchObject({ value: "callgate/budget-calls", usage: { calls: 30 } });
    expect(deniedBy(before)).toEqual(["callgate/budget-calls"]);
    await agent.close();
  });

  it("is stopped by the loop breaker", async () => {
    const agent = await agentOf("ann");
    const before = newestIn(broker.data);
    const result = await run(
      agent,
      `try { for (;;) await tools.talker.say({ how: "again" }) } catch (e) { return e.data.rule }`,
    );
    expect(bodyOf(result)).toMatchObject({ value: "callgate/loop", usage: { calls: 6 } });
    expect(deniedBy(before)).toEqual(["callgate/loop"]);
    await agent.close();
  });

  it("is stopped where it goes round in a circle", async () => {
    const agent = await agentOf("ann");
    const result = await run(
      agent,
      `try { for (let i = 0; ; i++) await tools.talker.say({ how: "abc"[i % 3] }) } catch (e) { return e.data.rule }`,
    );
    expect(bodyOf(result).value).toBe("callgate/loop");
    await agent.close();
  });

  it("cannot go on in a script that it runs", async () => {
    const agent = await agentOf("ann");
    const before = newestIn(broker.data);
    const inner = "try { return await tools.callgate.run_code({ code: 'return 1' }) } catch (e) { return e.code }";
    const outer = `try { return await tools.callgate.run_code(${JSON.stringify({ code: inner })}) } catch (e) { return e.data }`;
    // The inner script asked for one more: it is ended, and the outer one told.
    expect(bodyOf(await run(agent, outer)).value).toMatchObject({ error: { code: "CALL_BUDGET" } });
    expect(deniedBy(before)).toEqual(["callgate/run-budget"]);
    await agent.close();
  });
});

describe("an agent that calls a tool for ever", () => {
  it("is stopped by the loop breaker, and a script gives it no second chance", async () => {
    const agent = await agentOf("ann");
    const before = newestIn(broker.data);
    let turns = 0;
    let last: ToolResult;
    do {
      turns++;
      last = await agent.call("talker__say", { how: "on and on" });
    } while (ruleOf(last) === undefined && turns < 50);
    expect([turns, ruleOf(last)]).toEqual([6, "callgate/loop"]);
    const code = `try { return await tools.talker.say({ how: "on and on" }) } catch (e) { return e.data.rule }`;
    expect(bodyOf(await run(agent, code)).value).toBe("callgate/loop");
    expect(deniedBy(before)).toEqual(["callgate/loop", "callgate/loop"]);
    await agent.close();
  });

  it("that runs the same script for ever is stopped too", async () => {
    const agent = await agentOf("ann");
    let turns = 0;
    let last: ToolResult;
    do {
      turns++;
      last = await run(agent, "return 1");
    } while (ruleOf(last) === undefined && turns < 50);
    expect([turns, ruleOf(last)]).toEqual([6, "callgate/loop"]);
    await agent.close();
  });
});
