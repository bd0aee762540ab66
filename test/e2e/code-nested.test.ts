import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, ruleOf, textOf } from "../support/agent.ts";
import { type Office, openOffice } from "../support/clerk.ts";
import { callsAfter, newestIn } from "../support/ledger.ts";
import { approveNext, bodyOf, runScript as run } from "../support/script.ts";
import { until } from "../support/until.ts";

// Runs inside runs: scripts that run scripts, and modules that scripts call. They spend for those around them, and wait for nobody in vain.

let office: Office;
let web: Server;

beforeAll(async () => {
  web = createServer((_, response) => void response.end("a page"));
  await new Promise<void>((resolve) => void web.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(web.address() as AddressInfo).port}`;
  office = await openOffice(
    "code-nested",
    [
      { id: "all", effect: "permit", tools: ["*"] },
      { id: "look", effect: "ask", tools: ["clerk__held"], reason: "an operator looks" },
    ],
    {
      approvals: { wait: "100ms", ttl: "5m" },
      sandbox: { maxWorkers: 4 },
      code: { budgets: { writes: 2, calls: 30, depth: 2, wall: "8s" } },
      budgets: { session: { concurrent: 64 } },
    },
    {
      mod: {
        tools: {
          write: { properties: { to: {} }, body: "return await tools.clerk.write({ to: args.to })" },
          wait: { body: "return await tools.clerk.slow({ i: 'mod' })" },
          page: { body: `return await (await fetch("http://${host}/")).text()` },
          hold: { body: "try { return await tools.clerk.held({ to: 'mod' }) } catch (e) { return e.code }" },
          deeper: {
            body: `try { return (await tools.callgate.run_code({ code: "return 'deeper'" })).value } catch (e) { return e.message }`,
          },
        },
        module: { calls: ["clerk__*", "callgate__run_code"], hosts: [host], budgets: { depth: 8, wall: "8s" } },
      },
    },
  );
});
afterAll(async () => {
  await office?.close();
  web?.close();
});

const inside = (code: string, input = "0"): string =>
  `(await tools.callgate.run_code({ code: ${JSON.stringify(code)}, input: ${input} })).value`;

/** Runs a script in a session of its own. */
async function alone(code: string, more: object = {}): Promise<ReturnType<typeof bodyOf>> {
  const agent = await office.agent();
  const body = bodyOf(await run(agent, code, more));
  await agent.close();
  return body;
}

const writesTo = (to: string): number => office.heard("write").filter((args) => args["to"] === to).length;

describe("what runs inside spend", () => {
  it("counts for the run around them: no script writes more than it may by running others", async () => {
    const body = await alone(
      `for (let i = 0; i < 5; i++) try { ${inside("return await tools.clerk.write({ to: 'nested' })")} } catch {}`,
    );
    expect(body).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { writes: 2 } });
    expect(writesTo("nested")).toBe(2);
  });

  it("counts where they run at the same time", async () => {
    const one = "tools.callgate.run_code({ code: `await tools.clerk.write({ to: 'beside' })` })";
    const body = await alone(`return (await Promise.allSettled([${one}, ${one}, ${one}])).length`);
    expect(body.error?.code).toBe("CALL_BUDGET");
    expect(writesTo("beside")).toBe(2);
  });

  it("counts where a module does it, too", async () => {
    const body = await alone("for (let i = 0; i < 5; i++) try { await tools.mod.write({ to: 'module' }) } catch {}");
    expect(body).toMatchObject({ error: { code: "CALL_BUDGET" }, usage: { writes: 2 } });
    expect(writesTo("module")).toBe(2);
  });

  it("counts against a ceiling that the agent lowered, with the calls that start them", async () => {
    const body = await alone(`for (;;) try { ${inside("for (;;) await tools.clerk.mail({})")} } catch {}`, {
      budgets: { calls: 4 },
    });
    expect(body.error?.code).toBe("CALL_BUDGET");
    // One call starts the run inside, three are its own.
    expect(body.usage["cost"]).toBe(4);
  });
});

describe("how deep runs go", () => {
  it("is the outermost run's to say: a module that may go deeper goes no deeper inside a script", async () => {
    const agent = await office.agent();
    expect(textOf(await agent.call("mod__deeper"))).toBe("deeper");
    await agent.close();
    expect(JSON.stringify(await alone("return await tools.mod.deeper({})"))).toContain("2 deep at most");
  });

  it("has nothing to do with fetches: a module that a script calls may fetch", async () => {
    expect(await alone("return await tools.mod.page({})")).toMatchObject({ value: "a page" });
  });
});

describe("a call that is held two runs deep", () => {
  it("holds both runs, and both are taken up: nothing is made twice", async () => {
    const agent = await office.agent();
    const inner = `await tools.clerk.write({ to: "inner" }); return await tools.clerk.held({ to: "deep" })`;
    const code = `await tools.clerk.write({ to: "outer" }); try { return ${inside(inner)} } catch (e) { return e.code }`;
    const before = newestIn(office.broker.data);
    const held = bodyOf(await run(agent, code));
    expect(held.error?.code).toBe("HELD");
    await approveNext(office.operator);
    const done = bodyOf(await run(agent, code, { resume: held.resume as string }));
    expect(done.value).toBe('{"to":"deep"}');
    expect([writesTo("inner"), writesTo("outer")]).toEqual([1, 1]);
    // What was spent before the run was held counts.
    expect(done.usage["writes"]).toBe(2);
    // Each run goes on from its own first run in the record.
    const runs = (await callsAfter(office.broker.data, before)).filter((c) => c.intent.tool?.name === "run_code");
    const [outer, first, again, second] = runs.map((c) => c.intent);
    expect(first?.parent).toBe(outer?.call);
    expect(again?.parent).toBe(outer?.call);
    expect(second?.parent).toBe(again?.call);
    await agent.close();
  });

  it("is told to a module, which cannot be taken up", async () => {
    expect((await alone("return await tools.mod.hold({})")).value).toBe("HELD");
  });

  it("is not taken up where the run inside cannot be: it would do all again", async () => {
    const inner = `for (let i = 0; i < 5; i++) await tools.clerk.big({ n: 900000 + i }); return await tools.clerk.held({ to: "large" })`;
    const body = await alone(`return ${inside(inner)}`);
    expect(body.error?.code).toBe("HELD");
    expect(body.resume).toBeUndefined();
  });

  it("takes no place of those that a session has for runs that wait", async () => {
    const agent = await office.agent();
    const code = (i: number): string =>
      `return ${inside("return await tools.clerk.held({ to: 'place' + input })", String(i))}`;
    const held = [];
    for (let i = 0; i < 6; i++) held.push(bodyOf(await run(agent, code(i))));
    for (const { id } of office.operator.list("pending")) office.operator.answer(id, "approved", "olga");
    const done = bodyOf(await run(agent, code(0), { resume: held[0]?.resume as string }));
    expect(done.value).toBe('{"to":"place0"}');
    await agent.close();
  });
});

describe("with four workers", () => {
  const go = async (agent: Agent): Promise<void> => void (await agent.call("clerk__go"));
  const waiting = (count: number): Promise<boolean> =>
    until(`${count} calls that wait`, () => office.heard("slow").length === count);

  it("runs that have them all do not wait for one another in vain", async () => {
    const [ann, bob] = [await office.agent(), await office.agent("bob")];
    const before = office.heard("slow").length;
    const code = (i: number): string =>
      `await tools.clerk.slow({ i: ${i} }); return ${inside("return input + 1", String(i))}`;
    const runs = [0, 1, 2, 3].map((i) => run(i < 2 ? ann : bob, code(i)));
    await waiting(before + 4);
    await go(ann);
    expect((await Promise.all(runs)).map((result) => bodyOf(result).value)).toEqual([1, 2, 3, 4]);
    await ann.close();
    await bob.close();
  });

  it("an agent has two, and is told so; another agent's script runs meanwhile", async () => {
    const [ann, bob] = [await office.agent(), await office.agent("bob")];
    const before = office.heard("slow").length;
    const runs = [0, 1].map((i) => run(ann, `await tools.clerk.slow({ i: ${i} }); return ${i}`));
    await waiting(before + 2);
    const third = await run(ann, "return 2");
    expect([ruleOf(third), textOf(third)]).toEqual(["callgate/unreachable", expect.stringContaining("share")]);
    expect(bodyOf(await run(bob, "return 3")).value).toBe(3);
    await go(bob);
    expect((await Promise.all(runs)).map((result) => bodyOf(result).value)).toEqual([0, 1]);
    await ann.close();
    await bob.close();
  });

  it.each([
    ["scripts", `tools.callgate.run_code({ code: "return await tools.clerk.slow({ i: 'in' })" })`],
    ["modules", "tools.mod.wait({})"],
  ])("runs inside runs leave one for others, and go on one after the other: %s", async (_, wait) => {
    const [ann, bob] = [await office.agent(), await office.agent("bob")];
    const before = office.heard("slow").length;
    const runs = [0, 1].map((i) => run(ann, `return (await Promise.all([${wait}, ${wait}])).length + ${i}`));
    await waiting(before + 1);
    expect(bodyOf(await run(bob, "return 3", { budgets: { wall: 4000 } })).value).toBe(3);
    for (let i = 1; i <= 4; i++) {
      await waiting(before + i);
      await go(bob);
    }
    expect((await Promise.all(runs)).map((result) => bodyOf(result).value)).toEqual([2, 3]);
    await ann.close();
    await bob.close();
  });
});
