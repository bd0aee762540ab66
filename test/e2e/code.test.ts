import { readFileSync } from "node:fs";
import { ApprovalStore } from "@callgate/gateway";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, type Kind, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, payloadsOf, recordsIn, verify } from "../support/ledger.ts";
import { approveNext as approve, bodyOf, runScript as run } from "../support/script.ts";
import { setTalker } from "../support/talker.ts";
import { headersFor, modernRequest, send } from "../support/wire.ts";

const folder = makeFolder("code");
let broker: Broker;
let operator: ApprovalStore;
let heard: string;

beforeAll(async () => {
  const talker = setTalker(folder, {
    write: { effects: ["write"] },
    held: { effects: ["destructive"] },
    say: { effects: ["read"], labels: ["untrusted"] },
    send: { effects: ["external"] },
    hidden: { effects: ["read"], scopes: ["secret:read"] },
  });
  heard = talker.heard;
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["*"] },
      {
        id: "no-lures",
        effect: "forbid",
        tools: ["talker__send"],
        when: 'origin(args.to).exists(o, o == "untrusted")',
        reason: "the recipient comes from untrusted content",
      },
      {
        id: "not-eve",
        effect: "forbid",
        tools: ["talker__write"],
        when: 'has(args.to) && args.to == "eve"',
        reason: "not to eve",
      },
      { id: "look", effect: "ask", tools: ["talker__held"], reason: "an operator looks at this" },
      {
        id: "look-at-scripts",
        effect: "ask",
        tools: ["callgate__run_code"],
        when: '"external" in script.effects',
        reason: "the script sends",
      },
      {
        id: "scripts-only",
        effect: "forbid",
        tools: ["talker__say"],
        when: "script.depth == 0",
        reason: "scripts alone read this",
      },
    ],
  });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: { talker: talker.server },
      agents: { ann: { scopes: ["code:run"] }, bob: { scopes: [] } },
      policies: ["policies.yaml"],
      approvals: { wait: "1s", ttl: "5m" },
      code: { budgets: { calls: 20, cpu: "10s", wall: "20s", writes: 10, logLines: 50 } },
      budgets: { session: { calls: 400, callsPerMinute: 1000 } },
      loop: { repeats: 4, window: "60s", cycles: 3 },
    }),
  );
  operator = new ApprovalStore(broker.data);
});
afterAll(async () => {
  operator?.close();
  await broker?.stop();
  folder.remove();
});

const agentOf = async (name = "ann", kind: Kind = "2.x client, modern"): Promise<Agent> =>
  connect(kind, { url: broker.url, token: await broker.token(name) });

const lastHeard = (): unknown => JSON.parse(readFileSync(heard, "utf8").trim().split("\n").at(-1) as string);
const heardCount = (): number => readFileSync(heard, "utf8").split("\n").length;

const approveNext = (): Promise<string> => approve(operator);

describe("a script", () => {
  it("calls tools and gives what it returns; its calls stand under it in the record", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const result = await run(
      agent,
      `const said: string[] = [];
       for (const to of ["a", "b"]) said.push(JSON.parse(await tools.talker.write({ to })).to);
       console.log("wrote", said.length);
       return { said, big: input.big };`,
      { input: { big: 1 } },
    );
    expect(bodyOf(result)).toMatchObject({
      value: { said: ["a", "b"], big: 1 },
      logs: ["wrote 2"],
      usage: { calls: 2, writes: 2 },
    });
    const calls = await callsAfter(broker.data, before);
    const parent = calls.find((c) => c.intent.tool?.name === "run_code");
    expect(calls).toHaveLength(3);
    expect(calls.filter((c) => c.intent.parent === parent?.intent.call).map((c) => c.intent.tool?.name)).toEqual([
      "write",
      "write",
    ]);
    expect(parent?.outcome.detail).toMatchObject({ run: { calls: 2, writes: 2 } });
    const tree = await callgate("ledger", "tree", "--call", parent?.intent.call as string, "--data", broker.data);
    expect(tree.code).toBe(0);
    expect(tree.lines.filter((line) => line.includes("talker__write"))).toHaveLength(2);
    expect(verify(broker.data).ok).toBe(true);
    await agent.close();
  });

  it("has big integers whole, in and out", async () => {
    const code = "return [typeof input.n, input.n, input.n + 1n]";
    const { headers, body } = modernRequest(1, "tools/call", {
      name: "callgate__run_code",
      arguments: { code, input: { n: "BIG" } },
    });
    const text = JSON.stringify(body).replace('"BIG"', "9007199254740993");
    const answer = await send(broker.url, headersFor(await broker.token("ann"), headers), text);
    expect(answer.body).toContain('"value":["bigint",9007199254740993,9007199254740994]');
  });

  it("meets a denied call as a typed exception, and cannot hide it from the record", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const result = await run(
      agent,
      `try { await tools.talker.write({ to: "eve" }) } catch (e) { return [e instanceof ToolError, e.code, e.data.rule] }`,
    );
    expect(bodyOf(result).value).toEqual([true, "POLICY_DENIED", "not-eve"]);
    const [denial] = recordsIn(broker.data, { after: before, kind: ["denial"] });
    const [parent] = recordsIn(broker.data, { after: before, kind: ["intent"] });
    expect(denial).toMatchObject({ parent: parent?.call, decision: { rules: ["not-eve"] } });
    await agent.close();
  });

  it("that does not catch it ends with it", async () => {
    const agent = await agentOf();
    const result = await run(agent, `await tools.talker.write({ to: "eve" })`);
    expect(result.isError).toBe(true);
    expect(bodyOf(result).error?.code).toBe("POLICY_DENIED");
    await agent.close();
  });

  it("sees the tools that its agent may call, and no other", async () => {
    const agent = await agentOf();
    const result = await run(agent, "return [Object.keys(tools.talker).includes('hidden'), typeof tools.talker.write]");
    expect(bodyOf(result).value).toEqual([false, "function"]);
    await agent.close();
  });

  it("is not for an agent without the scope", async () => {
    const agent = await agentOf("bob");
    expect(ruleOf(await run(agent, "return 1"))).toBe("callgate/missing-scope");
    await agent.close();
  });

  it("that cannot be read is refused before anything runs, with the place", async () => {
    const agent = await agentOf();
    const result = await run(agent, "const x = ;");
    expect(ruleOf(result)).toBe("callgate/invalid-arguments");
    expect(textOf(result)).toContain("script");
    await agent.close();
  });
});

describe("what a script spends", () => {
  it("ends it with a typed error, the usage so far, and a record", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const result = await run(agent, "for (let i = 0; ; i++) await tools.talker.say({ how: String(i) })");
    expect(bodyOf(result)).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { calls: 20 } });
    const calls = await callsAfter(broker.data, before);
    const parent = calls.find((c) => c.intent.tool?.name === "run_code");
    expect(parent?.outcome).toMatchObject({ error: { code: "sandbox/CALL_BUDGET" }, detail: { run: { calls: 20 } } });
    await agent.close();
  });

  it("has a ceiling of its own for writes, which an agent can lower and not raise", async () => {
    const agent = await agentOf();
    const code = "for (let i = 0; ; i++) await tools.talker.write({ to: String(i) })";
    expect(bodyOf(await run(agent, code)).usage["writes"]).toBe(10);
    const lower = bodyOf(await run(agent, code, { budgets: { writes: 2 } }));
    expect(lower).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { writes: 2 } });
    const higher = bodyOf(await run(agent, code, { budgets: { writes: 50, calls: 50 } }));
    expect(higher).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { writes: 10 } });
    await agent.close();
  });

  it("counts for the loop breaker", async () => {
    const agent = await agentOf();
    const result = await run(
      agent,
      `let n = 0; try { for (;;) { await tools.talker.say({ how: "again" }); n++ } } catch (e) { return [n, e.data.rule] }`,
    );
    expect(bodyOf(result).value).toEqual([4, "callgate/loop"]);
    await agent.close();
  });

  it.each([
    ["CPU_TIMEOUT", "for (;;);", { cpu: 200 }],
    ["WALL_TIMEOUT", "await new Promise(() => setTimeout(() => {}, 1e9))", { wall: 300 }],
    ["LOG_LIMIT", "for (;;) console.log('x')"],
    ["GUEST_ERROR", "throw new Error('mine')"],
    ["OUTPUT_LIMIT", "return 'x'.repeat(5e6)"],
    ["MEMORY_LIMIT", "const a = []; for (;;) a.push(new Array(1e5).fill(1.5));"],
  ])("%s", async (code, script, budgets: object = {}) => {
    const agent = await agentOf();
    const result = await run(agent, script, { budgets });
    expect(bodyOf(result).error?.code).toBe(code);
    expect(bodyOf(await run(agent, "return 6 * 7")).value).toBe(42);
    await agent.close();
  });
});

describe("where values come from", () => {
  it("a value that a script makes of what it read has the origins of what it read", async () => {
    const agent = await agentOf();
    const script = (to: string) =>
      `const text = await tools.talker.say({ how: "mail" });
       try { await tools.talker.send({ to: ${to} }); return "sent" } catch (e) { return e.data.rule }`;
    const held = run(agent, script(`text.split("").reverse().join("").slice(0, 9)`));
    await approveNext();
    expect(bodyOf(await held).value).toBe("no-lures");
    // What the script says by itself is the model's own.
    const own = run(agent, script(`"ann@corp.example"`));
    await approveNext();
    expect(bodyOf(await own).value).toBe("sent");
    await agent.close();
  });

  it("what a script returns carries the labels and origins of all that it read", async () => {
    const agent = await agentOf();
    const made = bodyOf(
      await run(
        agent,
        `const t = await tools.talker.say({ how: "mail" }); return t.toUpperCase().slice(16, 32).toLowerCase().split("").reverse().join("")`,
      ),
    ).value as string;
    const before = newestIn(broker.data);
    expect(ruleOf(await agent.call("talker__send", { to: made }))).toBe("no-lures");
    const [denial] = recordsIn(broker.data, { after: before, kind: ["denial"] });
    const facts = JSON.parse(payloadsOf(broker.data, denial?.seq as number)["facts"] as string) as {
      flow: { origins: Record<string, string[]> };
      session: { labels: string[] };
    };
    expect(facts.flow.origins[made]).toContain("untrusted");
    expect(facts.session.labels).toContain("untrusted");
    await agent.close();
  });
});

describe("a person", () => {
  it("answers a call inside a script while it waits", async () => {
    const agent = await agentOf();
    const running = run(agent, `return JSON.parse(await tools.talker.held({ to: "h1" })).to`);
    await approveNext();
    expect(bodyOf(await running).value).toBe("h1");
    await agent.close();
  });

  it("answers later, and the script is taken up without making its calls again", async () => {
    const agent = await agentOf();
    const code = `const a = JSON.parse(await tools.talker.write({ to: "first" })).to;
      const b = JSON.parse(await tools.talker.held({ to: "h2" })).to;
      return [a, b]`;
    const before = newestIn(broker.data);
    const held = bodyOf(await run(agent, code));
    expect(held.error?.code).toBe("HELD");
    const [first] = recordsIn(broker.data, { after: before, kind: ["intent"] });
    await approveNext();
    const writes = heardCount();
    const done = bodyOf(await run(agent, code, { resume: held.resume as string }));
    expect(done.value).toEqual(["first", "h2"]);
    // One call more reached the server: the one that was held.
    expect(heardCount()).toBe(writes + 1);
    expect(lastHeard()).toEqual(["held", { to: "h2" }]);
    const again = recordsIn(broker.data, { after: before, kind: ["intent"] }).filter(
      (r) => r.tool?.name === "run_code",
    );
    expect(again.map((r) => r.parent)).toEqual([undefined, first?.call]);
    expect(ruleOf(await run(agent, code, { resume: held.resume as string }))).toBe("callgate/invalid-arguments");
    await agent.close();
  });
});

describe("a dry run", () => {
  it("shows the calls that a script would make, and makes none", async () => {
    const agent = await agentOf();
    const before = heardCount();
    const result = await run(
      agent,
      `const t = await tools.talker.say({ how: "mail" });
       await tools.talker.write({ to: t });
       try { await tools.talker.write({ to: "eve" }) } catch {}
       await tools.talker.held({ to: "h" });
       return t`,
      { dryRun: true, stubs: { talker__say: "stubbed" } },
    );
    expect(bodyOf(result).value).toBe("stubbed");
    expect(bodyOf(result).calls?.map((c) => [c.tool, c.verdict, c.rules])).toEqual([
      ["talker__say", "allow", ["all"]],
      ["talker__write", "allow", ["all"]],
      ["talker__write", "deny", ["not-eve"]],
      ["talker__held", "hold", ["look"]],
    ]);
    expect(heardCount()).toBe(before);
    await agent.close();
  });
});

describe("beside scripts", () => {
  it("tools are found and described, and no list of all is needed", async () => {
    const agent = await agentOf();
    const found = await agent.call("callgate__search_tools", { query: "write" });
    expect(found.structuredContent).toMatchObject({ tools: [{ tool: "talker__write" }] });
    const described = await agent.call("callgate__describe_tool", { tools: ["talker__write", "talker__none"] });
    expect(described.structuredContent).toMatchObject({ unknown: ["talker__none"] });
    expect((described.structuredContent as { declarations: string }).declarations).toContain(
      "write(args: { to?: string; sure?: boolean; limit?: number; at?: Record<string, unknown> }): Promise<unknown>;",
    );
    await agent.close();
  });

  it.each(["1.x client", "2.x client, modern"] as const)("logs and progress reach a %s", async (kind) => {
    const agent = await agentOf("ann", kind);
    await agent.logs("info");
    const seen: number[] = [];
    const result = await agent.call(
      "callgate__run_code",
      {
        code: `console.log("on the way"); progress(1, 2); await tools.talker.write({ to: "p" }); progress(2, 2); return 1`,
      },
      { onprogress: ({ progress }) => seen.push(progress) },
    );
    expect(bodyOf(result).value).toBe(1);
    expect(seen).toEqual([1, 2]);
    expect(agent.heard.some((h) => JSON.stringify(h.params).includes("on the way"))).toBe(true);
    await agent.close();
  });
});
