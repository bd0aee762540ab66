import { ApprovalStore } from "@callgate/gateway";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, type Answers, connect, KINDS, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { ran, writeOdd } from "../support/odd/setup.ts";
import { until } from "../support/until.ts";

const POLICIES = {
  policies: [
    { id: "all", effect: "permit", tools: ["odd__*"], reason: "open" },
    {
      id: "operator-asks",
      effect: "ask",
      tools: ["odd__echo", "odd__pid"],
      reason: "an operator looks at this",
      approve: "operator",
    },
    {
      id: "client-asks",
      effect: "ask",
      tools: ["odd__same", "odd__turn", "odd__ask"],
      reason: "the user looks at this",
      approve: "client",
    },
    { id: "both-ask", effect: "ask", tools: ["odd__turn"], reason: "an operator too", approve: "operator" },
  ],
};
const yes = { action: "accept", content: { approve: true } };

const folder = makeFolder();
let broker: Broker;
let operator: ApprovalStore;
let cases = 0;

beforeAll(async () => {
  broker = await startBroker(
    writeOdd(folder, {
      policies: POLICIES,
      config: { approvals: { wait: "20s", ttl: "5m" }, log: { level: "info" } },
    }),
  );
  operator = new ApprovalStore(broker.data);
});
afterAll(async () => {
  operator?.close();
  await broker?.stop();
  folder.remove();
});

/** An argument that no other test has, so that approvals cannot meet. */
function fresh(): string {
  return `case ${++cases}`;
}

async function agentOf(kind: (typeof KINDS)[number], answers: Answers = {}, name = "ann"): Promise<Agent> {
  return connect(kind, { url: broker.url, token: await broker.token(name) }, answers);
}

/** The approval that waits for a call with this text. */
function waiting(text: string) {
  return until("the call to be held", () =>
    operator.list("pending").find((a) => a.argsText.includes(JSON.stringify(text))),
  );
}

function timesRun(name: string): number {
  return ran(folder).filter((r) => r.name === name).length;
}

describe("an operator's answer", () => {
  it("given with `callgate approvals approve` lets exactly the held call go on", async () => {
    const agent = await agentOf("2.x client, modern");
    const text = fresh();
    const before = newestIn(broker.data);
    const call = agent.call("odd__echo", { text });
    const held = await waiting(text);
    expect(held).toMatchObject({ agent: "ann", tool: "odd__echo", reason: "an operator looks at this" });
    const listed = await callgate("approvals", "list", "--config", broker.config);
    expect(listed.lines.join("\n")).toContain(held.id);
    const approved = await callgate("approvals", "approve", held.id, "--by", "olga", "--config", broker.config);
    expect(approved).toMatchObject({ code: 0 });
    expect(textOf(await call)).toBe(`echo: ${text}`);
    const [governed] = await callsAfter(broker.data, before);
    expect(governed?.intent.decision).toMatchObject({ verdict: "allow", approver: "olga" });
    const approvals = recordsIn(broker.data, { after: before, kind: ["approval"] });
    expect(approvals.map((r) => [r.detail?.["state"], r.decision?.approver])).toEqual([
      ["asked", undefined],
      ["approved", "olga"],
    ]);
    await agent.close();
  });

  it("given with `callgate approvals deny` refuses the call, which does not run", async () => {
    const agent = await agentOf("1.x client");
    const text = fresh();
    const before = timesRun("echo");
    const call = agent.call("odd__echo", { text });
    const held = await waiting(text);
    expect(await callgate("approvals", "deny", held.id, "--config", broker.config)).toMatchObject({ code: 0 });
    const refused = await call;
    expect(ruleOf(refused)).toBe("callgate/approval-refused");
    expect(textOf(refused)).toContain("a person refused this call");
    expect(timesRun("echo")).toBe(before);
    // A second answer is told that it comes too late.
    const late = await callgate("approvals", "approve", held.id, "--config", broker.config);
    expect(late.code).toBe(1);
    expect(late.lines.join("\n")).toMatch(/is denied already/);
    await agent.close();
  });

  it("is used up by one call, and other arguments and other principals need their own", async () => {
    const [ann, bob] = [await agentOf("2.x client, modern"), await agentOf("2.x client, modern", {}, "bob")];
    const text = fresh();
    const first = ann.call("odd__echo", { text });
    operator.answer((await waiting(text)).id, "approved", "olga");
    expect(textOf(await first)).toBe(`echo: ${text}`);

    const count = timesRun("echo");
    for (const [agent, args, what] of [
      [ann, { text }, "the same call"],
      [ann, { text: `${text}!` }, "other arguments"],
      [bob, { text }, "another principal"],
    ] as const) {
      const again = agent.call("odd__echo", args);
      const held = await waiting(args.text);
      operator.answer(held.id, "denied", "olga");
      expect(ruleOf(await again), what).toBe("callgate/approval-refused");
    }
    expect(timesRun("echo")).toBe(count);
    await Promise.all([ann.close(), bob.close()]);
  });

  it("lets one of two equal calls run, not both", async () => {
    const agent = await agentOf("2.x client, modern");
    const text = fresh();
    const before = timesRun("echo");
    const calls = [1, 2].map(() => agent.call("odd__echo", { text }));
    const first = await waiting(text);
    await until(
      "both calls to be held",
      () => broker.process.lines.filter((l) => l.includes("held: waiting") && l.includes(first.id)).length === 2,
    );
    operator.answer(first.id, "approved", "olga");
    const results = await Promise.all(calls);
    expect(new Set(results.map(ruleOf))).toEqual(new Set(["callgate/approval-refused", undefined]));
    expect(timesRun("echo")).toBe(before + 1);
    await agent.close();
  });

  it("is no longer waited for once the agent cancels", async () => {
    const agent = await agentOf("2.x client, legacy");
    const text = fresh();
    const stop = new AbortController();
    const before = newestIn(broker.data);
    const call = agent.call("odd__echo", { text }, { signal: stop.signal });
    await waiting(text);
    stop.abort("enough");
    await expect(call).rejects.toThrow();
    const denial = await until("the denial", () => recordsIn(broker.data, { after: before, kind: ["denial"] })[0]);
    expect(denial.error?.code).toBe("callgate/cancelled");
    await agent.close();
  });
});

describe("an approval that nobody gives", () => {
  it("is told to the model with what an operator can type, and counts for the same call sent again", async () => {
    const config = writeOdd(
      folder,
      { policies: POLICIES, config: { approvals: { wait: "50ms", ttl: "5m" } } },
      "pending",
    );
    const other = await startBroker(config);
    const store = new ApprovalStore(other.data);
    try {
      const agent = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
      const pending = await agent.call("odd__echo", { text: "later" });
      expect(ruleOf(pending)).toBe("callgate/approval-pending");
      const id = /callgate approvals approve (\S+?)`/.exec(textOf(pending))?.[1] as string;
      expect(store.answer(id, "approved", "olga").ok).toBe(true);
      expect(textOf(await agent.call("odd__echo", { text: "later" }))).toBe("echo: later");
      expect(ruleOf(await agent.call("odd__echo", { text: "later" }))).toBe("callgate/approval-pending");
      await agent.close();
    } finally {
      store.close();
      await other.stop();
    }
  });

  it("expires, answered or not", async () => {
    const config = writeOdd(
      folder,
      { policies: POLICIES, config: { approvals: { wait: "50ms", ttl: "400ms" } } },
      "expiring",
    );
    const other = await startBroker(config);
    const store = new ApprovalStore(other.data);
    try {
      const agent = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
      let calls = 0;
      for (const answered of [false, true]) {
        const held = await until("an approval that was asked for, and answered in time", async () => {
          const text = `late ${++calls}`;
          const id = /approve (\S+?)`/.exec(textOf(await agent.call("odd__echo", { text })))?.[1] as string;
          return (!answered || store.answer(id, "approved", "olga").ok) && { text, id };
        });
        await until("the approval to expire", () => store.list("expired").some((a) => a.id === held.id));
        expect(store.answer(held.id, "approved", "olga")).toMatchObject({ ok: false });
        expect(ruleOf(await agent.call("odd__echo", { text: held.text }))).toBe("callgate/approval-pending");
      }
      expect(ran(folder, "expiring")).toEqual([]);
      await agent.close();
    } finally {
      store.close();
      await other.stop();
    }
  });
});

describe.each(KINDS)("the client's own answer: %s", (kind) => {
  it("counts where the policy says so", async () => {
    const agent = await agentOf(kind, { "elicitation/create": () => yes });
    const text = fresh();
    const before = newestIn(broker.data);
    expect(textOf(await agent.call("odd__same", { text }))).toBe("always the same");
    expect(agent.asked).toHaveLength(1);
    expect(agent.asked[0]?.params["message"]).toContain(`odd__same {"text":"${text}"}`);
    expect(agent.asked[0]?.params["message"]).toContain("the user looks at this");
    const [governed] = await callsAfter(broker.data, before);
    expect(governed?.intent.decision?.approver).toBe("client of ann");
    await agent.close();
  });

  it.each([
    ["a no", { action: "accept", content: { approve: false } }],
    ["a refusal", { action: "decline" }],
    ["a dismissal", { action: "cancel" }],
  ])("refuses the call with %s", async (_, answer) => {
    const agent = await agentOf(kind, { "elicitation/create": () => answer });
    const before = timesRun("same");
    expect(ruleOf(await agent.call("odd__same", { text: fresh() }))).toBe("callgate/approval-refused");
    expect(timesRun("same")).toBe(before);
    await agent.close();
  });

  it("does not count where an operator must answer too", async () => {
    const agent = await agentOf(kind, { "elicitation/create": () => yes });
    const text = fresh();
    const call = agent.call("odd__turn", { text });
    operator.answer((await waiting(text)).id, "denied", "olga");
    expect(ruleOf(await call)).toBe("callgate/approval-refused");
    expect(agent.asked).toEqual([]);
    await agent.close();
  });

  it("is asked of an operator where the client cannot be asked", async () => {
    const agent = await agentOf(kind);
    const text = fresh();
    const call = agent.call("odd__same", { text });
    operator.answer((await waiting(text)).id, "approved", "olga");
    expect(textOf(await call)).toBe("always the same");
    await agent.close();
  });
});

describe("a server that asks a question of its own, in a call that the client approved", () => {
  let asking: Broker;
  beforeAll(async () => {
    asking = await startBroker(
      writeOdd(folder, { policies: POLICIES, manifest: { callbacks: ["elicitation"] } }, "asking"),
    );
  });
  afterAll(() => asking?.stop());

  it.each(KINDS)("is answered under the same approval, and the call runs once: %s", async (kind) => {
    const question = fresh();
    const agent = await connect(
      kind,
      { url: asking.url, token: await asking.token("ann") },
      {
        "elicitation/create": ({ message }) =>
          message === question ? { action: "accept", content: { answer: "forty-two" } } : yes,
      },
    );
    const before = ran(folder, "asking").length;
    expect(textOf(await agent.call("odd__ask", { question }))).toBe(`${question} -> {"answer":"forty-two"}`);
    expect(agent.asked).toHaveLength(2);
    expect(ran(folder, "asking").length).toBe(before + 1);
    await agent.close();
  });
});
