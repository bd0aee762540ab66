import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, ruleOf, textOf } from "../support/agent.ts";
import { type Office, openOffice } from "../support/clerk.ts";
import { newestIn, recordsIn } from "../support/ledger.ts";
import { approveNext, bodyOf, runScript as run } from "../support/script.ts";
import { until } from "../support/until.ts";

// A script of which a call was held is taken up once, by whoever began it, and makes nothing twice.

const BASE = [
  { id: "all", effect: "permit", tools: ["*"] },
  { id: "look", effect: "ask", tools: ["clerk__held"], reason: "an operator looks" },
  { id: "not-eve", effect: "forbid", tools: ["clerk__pay"], when: 'args.to == "eve"', reason: "not to eve" },
];
const SENDS = {
  id: "scripts-that-send",
  effect: "ask",
  tools: ["callgate__run_code"],
  when: '"external" in script.effects',
  reason: "the script sends",
};

let office: Office;

beforeAll(async () => {
  office = await openOffice("code-resume", [...BASE, SENDS], {
    code: { budgets: { calls: 30, wall: "10s" } },
    sandbox: { maxWorkers: 4 },
    budgets: { session: { concurrent: 64 } },
  });
});
afterAll(() => office?.close());

const writesTo = (to: string): number => office.heard("write").filter((args) => args["to"] === to).length;
const approveAll = (): void => {
  for (const { id } of office.operator.list("pending")) office.operator.answer(id, "approved", "olga");
};

/** Runs a script until it is held, and gives what takes it up. */
async function untilHeld(agent: Agent, code: string, more: object = {}): Promise<string> {
  const { error, resume } = bodyOf(await run(agent, code, more));
  expect(error?.code).toBe("HELD");
  return resume as string;
}

describe("a run that was held", () => {
  it("is taken up once, also where five ask at once", async () => {
    const agent = await office.agent();
    const code = "await tools.clerk.write({ to: 'once' }); return await tools.clerk.held({ to: 'five' })";
    const resume = await untilHeld(agent, code);
    await approveNext(office.operator);
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => run(agent, code, { resume })));
    expect(results.filter((result) => bodyOf(result)?.value === '{"to":"five"}')).toHaveLength(1);
    expect(results.filter((result) => result.isError)).toHaveLength(4);
    expect(writesTo("once")).toBe(1);
    expect(office.heard("held").filter(({ to }) => to === "five")).toHaveLength(1);
    await agent.close();
  });

  it("goes on under the approval of its script, once", async () => {
    const agent = await office.agent();
    const code = "if (input.no) await tools.clerk.send({}); return await tools.clerk.held({ to: 'under' })";
    const first = run(agent, code, { input: {} });
    await approveNext(office.operator);
    const { resume } = bodyOf(await first);
    await approveNext(office.operator);
    expect(bodyOf(await run(agent, code, { input: {}, resume })).value).toBe('{"to":"under"}');
    expect(ruleOf(await run(agent, code, { input: {}, resume }))).toBe("callgate/invalid-arguments");
    // Anew, the script is asked for again.
    expect(ruleOf(await run(agent, code, { input: {} }))).toBe("callgate/approval-pending");
    await agent.close();
  });

  it("belongs to its session and to its script", async () => {
    const [ann, again, other, bob] = [
      await office.agent(),
      await office.agent(),
      await office.agent("ann", { user: "uma" }),
      await office.agent("bob"),
    ];
    const code = "return await tools.clerk.held({ to: 'mine' })";
    const resume = await untilHeld(ann, code);
    for (const agent of [again, other, bob])
      expect(ruleOf(await run(agent, code, { resume }))).toBe("callgate/invalid-arguments");
    expect(ruleOf(await run(ann, `${code};`, { resume }))).toBe("callgate/invalid-arguments");
    expect(ruleOf(await run(ann, code, { resume, input: 1 }))).toBe("callgate/invalid-arguments");
    approveAll();
    expect(bodyOf(await run(ann, code, { resume })).value).toBe('{"to":"mine"}');
    await Promise.all([ann, again, other, bob].map((agent) => agent.close()));
  });

  it("makes nothing twice, with the time and with chance in its arguments", async () => {
    const agent = await office.agent();
    const code = `const to = ["clock", Date.now(), new Date().toISOString(), Math.random(), crypto.randomUUID()].join(" ");
      await tools.clerk.write({ to });
      await tools.clerk.held({ to: "clock" });
      return to`;
    const resume = await untilHeld(agent, code);
    approveAll();
    // Not with another seed, either.
    const { value } = bodyOf(await run(agent, code, { resume, seed: 7 }));
    const made = office.heard("write").filter(({ to }) => String(to).startsWith("clock"));
    expect(made).toEqual([{ to: value }]);
    await agent.close();
  });

  it("is still to be had where its agent had no place for it", async () => {
    const agent = await office.agent();
    const code = "await tools.clerk.write({ to: 'busy' }); return await tools.clerk.held({ to: 'busy' })";
    const resume = await untilHeld(agent, code);
    approveAll();
    const before = office.heard("slow").length;
    const busy = [0, 1].map((i) => run(agent, `return await tools.clerk.slow({ i: ${i} })`));
    await until("two runs that wait", () => office.heard("slow").length === before + 2);
    expect(ruleOf(await run(agent, code, { resume }))).toBe("callgate/unreachable");
    await agent.call("clerk__go");
    await Promise.all(busy);
    expect(bodyOf(await run(agent, code, { resume })).value).toBe('{"to":"busy"}');
    expect(writesTo("busy")).toBe(1);
    await agent.close();
  });
});

describe("calls at the same time", () => {
  it("two that are held are asked for together, and taken up together", async () => {
    const agent = await office.agent();
    const code = `const all = ["p1", "p2"].map((to) => tools.clerk.held({ to })); return await Promise.all(all)`;
    const resume = await untilHeld(agent, code);
    expect(office.operator.list("pending")).toHaveLength(2);
    approveAll();
    expect(bodyOf(await run(agent, code, { resume })).value).toEqual(['{"to":"p1"}', '{"to":"p2"}']);
    await agent.close();
  });

  it("one under way comes to its end before the run is held, and is not made again", async () => {
    const [agent, other] = [await office.agent(), await office.agent("bob")];
    const code = `const [slow, held] = await Promise.allSettled([tools.clerk.slow({ i: "beside" }), tools.clerk.held({ to: "beside" })]);
      return [slow.value ?? slow.reason.code, held.value ?? held.reason.code]`;
    const before = newestIn(office.broker.data);
    const first = run(agent, code);
    await until("nobody's answer", () =>
      recordsIn(office.broker.data, { after: before, kind: ["approval"] }).some(
        (record) => (record.detail as { state?: string }).state === "unanswered",
      ),
    );
    await other.call("clerk__go");
    const { error, resume } = bodyOf(await first);
    expect(error?.code).toBe("HELD");
    approveAll();
    expect(bodyOf(await run(agent, code, { resume })).value).toEqual(["at last", '{"to":"beside"}']);
    expect(office.heard("slow").filter(({ i }) => i === "beside")).toHaveLength(1);
    await agent.close();
    await other.close();
  });

  it("what one run gave is there in a third, where the second was held before it came to it", async () => {
    const agent = await office.agent();
    const code = `const later = (async () => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        return await tools.clerk.write({ to: "third" });
      })();
      const held = await tools.clerk.held({ to: "third" });
      return [held, await later]`;
    const first = await untilHeld(agent, code);
    expect(writesTo("third")).toBe(1);
    // Too little time to wait for a person: it is held again at once.
    const second = await untilHeld(agent, code, { resume: first, budgets: { wall: 280 } });
    approveAll();
    expect(bodyOf(await run(agent, code, { resume: second })).value).toEqual(['{"to":"third"}', '{"to":"third"}']);
    expect(writesTo("third")).toBe(1);
    await agent.close();
  });
});

describe("what the first run spent", () => {
  it("counts in the second", async () => {
    const agent = await office.agent();
    const write = (i: number): string => `await tools.clerk.write({ to: "spent${i}" });`;
    const code = `${write(1)} ${write(2)} await tools.clerk.held({ to: "spent" }); ${write(3)} return 1`;
    const budgets = { writes: 2 };
    const resume = await untilHeld(agent, code, { budgets });
    approveAll();
    expect(bodyOf(await run(agent, code, { resume, budgets }))).toMatchObject({
      error: { code: "CALL_BUDGET" },
      usage: { writes: 2 },
    });
    expect([1, 2, 3].map((i) => writesTo(`spent${i}`))).toEqual([1, 1, 0]);
    await agent.close();
  });

  it("counts with what runs inside spent", async () => {
    const agent = await office.agent();
    const code = `await tools.callgate.run_code({ code: "for (const to of ['in1', 'in2']) await tools.clerk.write({ to })" });
      await tools.clerk.held({ to: "in" }); await tools.clerk.write({ to: "in3" }); return 1`;
    const budgets = { writes: 2 };
    const resume = await untilHeld(agent, code, { budgets });
    approveAll();
    expect(bodyOf(await run(agent, code, { resume, budgets })).error?.code).toBe("CALL_BUDGET");
    expect(["in1", "in2", "in3"].map(writesTo)).toEqual([1, 1, 0]);
    await agent.close();
  });

  it("counts once, and so do calls that were denied", async () => {
    const agent = await office.agent();
    const code = `let denied = 0;
      for (let i = 0; i < 3; i++) try { await tools.clerk.pay({ to: "eve" }) } catch { denied++ }
      await tools.clerk.held({ to: "denied" }); return denied`;
    // Three that are denied, one that is held.
    const budgets = { calls: 4 };
    const resume = await untilHeld(agent, code, { budgets });
    approveAll();
    expect(bodyOf(await run(agent, code, { resume, budgets })).value).toBe(3);
    await agent.close();
  });
});

describe("policies that changed meanwhile", () => {
  it("refuse what they forbid by now, whatever it gave before; the script's approval is asked for again", async () => {
    const agent = await office.agent();
    const code = `let mail; try { mail = await tools.clerk.mail({}) } catch (e) { mail = e.data.rule }
      if (input) await tools.clerk.send({}); await tools.clerk.held({ to: "changed" }); return mail`;
    const first = run(agent, code);
    await approveNext(office.operator);
    const { resume } = bodyOf(await first);
    approveAll();
    await office.setPolicies([
      ...BASE,
      SENDS,
      { id: "no-mail", effect: "forbid", tools: ["clerk__mail"], reason: "no mail any more" },
    ]);
    const second = run(agent, code, { resume });
    expect(await approveNext(office.operator)).toContain("the script sends");
    const again = bodyOf(await second);
    expect(again.error?.code).toBe("HELD");
    approveAll();
    const third = await run(agent, code, { resume: again.resume });
    expect(bodyOf(third).value, textOf(third)).toBe("no-mail");
    await office.setPolicies([...BASE, SENDS]);
    await agent.close();
  });
});
