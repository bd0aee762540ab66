import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, KINDS, ruleOf, type ToolResult, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { ran, writeOdd } from "../support/odd/setup.ts";
import { until } from "../support/until.ts";

const folder = makeFolder("limits");
let broker: Broker;

/** Each agent meets one ceiling, so that the tests do not spend each other's budgets. */
const AGENTS = {
  calls: { calls: 3 },
  refund: { calls: 2 },
  rate: { callsPerMinute: 3 },
  cost: { cost: 10 },
  parallel: { concurrent: 2 },
  hasty: { wall: "150ms" },
  plain: {},
  other: {},
};

beforeAll(async () => {
  const agents = Object.fromEntries(Object.keys(AGENTS).map((name) => [name, { scopes: [] }]));
  const ceilings = Object.fromEntries(Object.entries(AGENTS).filter(([, limits]) => Object.keys(limits).length > 0));
  broker = await startBroker(
    writeOdd(folder, {
      tools: {
        turn: { limits: { cost: 4 } },
        pid: { limits: { callsPerMinute: 2 } },
        echo: { limits: { argumentBytes: 2000 } },
        sample: { scopes: ["nobody:has"] },
      },
      policies: {
        policies: [
          { id: "all", effect: "permit", tools: ["odd__*"], reason: "open" },
          {
            id: "no-secrets",
            effect: "forbid",
            tools: ["odd__echo"],
            when: 'args.text.contains("secret")',
            reason: "no secrets here",
          },
          {
            id: "short-answers",
            effect: "permit",
            tools: ["odd__chatter"],
            reason: "brief",
            obligations: [{ kind: "cap", resultBytes: 20 }],
          },
        ],
      },
      config: {
        agents,
        stdio: { agent: "plain" },
        budgets: {
          session: { calls: 40, callsPerMinute: 1000, cost: 1000, concurrent: 50 },
          agents: ceilings,
          tools: { odd__forecast: { calls: 6 } },
        },
        loop: { repeats: 3, cycles: 2, window: "10m" },
        limits: { resultBytes: "32KiB" },
      },
    }),
  );
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

async function agentOf(name: keyof typeof AGENTS, kind: (typeof KINDS)[number] = "2.x client, modern"): Promise<Agent> {
  return connect(kind, { url: broker.url, token: await broker.token(name) });
}

/** The rules that a row of calls met, one after the other; undefined for one that ran. */
async function rules(
  agent: Agent,
  calls: readonly (readonly [string, Record<string, unknown>])[],
): Promise<(string | undefined)[]> {
  const met: (string | undefined)[] = [];
  for (const [name, args] of calls) met.push(ruleOf(await agent.call(name, args)));
  return met;
}

const echo = (text: string) => ["odd__echo", { text }] as const;
const turn = (text: string) => ["odd__turn", { text }] as const;

describe("a budget", () => {
  it("of calls ends with its last one, across an agent's sessions, and not for other agents", async () => {
    const [one, two, other] = [await agentOf("calls"), await agentOf("calls", "1.x client"), await agentOf("other")];
    const before = ran(folder).length;
    expect(await rules(one, [echo("1"), echo("2")])).toEqual([undefined, undefined]);
    expect(await rules(two, [echo("3"), echo("4")])).toEqual([undefined, "callgate/budget-calls"]);
    const refused = await one.call("odd__echo", { text: "5" });
    expect(textOf(refused)).toMatch(
      /^Denied: agent `calls` has used its 3 calls\.\nWhat to do: finish with what you have/,
    );
    expect(ran(folder)).toHaveLength(before + 3);
    expect(await rules(other, [echo("6")])).toEqual([undefined]);
    await Promise.all([one.close(), two.close(), other.close()]);
  });

  it("of a minute's calls says how long to wait", async () => {
    const agent = await agentOf("rate");
    expect(await rules(agent, [echo("r1"), echo("r2"), echo("r3")])).toEqual([undefined, undefined, undefined]);
    const refused = await agent.call("odd__echo", { text: "r4" });
    expect(ruleOf(refused)).toBe("callgate/budget-rate");
    const seconds = Number(/wait (\d+) s, then try again/.exec(textOf(refused))?.[1]);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThanOrEqual(60);
    await agent.close();
  });

  it("of cost counts what the manifest says, and leaves room for what is cheap enough", async () => {
    const agent = await agentOf("cost");
    expect(await rules(agent, [turn("c1"), turn("c2")])).toEqual([undefined, undefined]);
    const refused = await agent.call("odd__turn", { text: "c3" });
    expect(ruleOf(refused)).toBe("callgate/budget-cost");
    expect(textOf(refused)).toContain("this call costs 4 units and agent `cost` has 2 of 10 left");
    expect(await rules(agent, [echo("c4"), echo("c5"), echo("c6")])).toEqual([
      undefined,
      undefined,
      "callgate/budget-cost",
    ]);
    await agent.close();
  });

  it("of calls at once frees a place as soon as one of them ends", async () => {
    const agent = await agentOf("parallel", "2.x client, legacy");
    const stops = [new AbortController(), new AbortController()];
    const before = newestIn(broker.data);
    const slow = stops.map((stop) =>
      agent.call("odd__slow", { ms: 60_000 + stops.indexOf(stop) }, { signal: stop.signal }).catch(() => undefined),
    );
    await until("both to run", () => ran(folder).filter((r) => r.name === "slow").length === 2);
    expect(await rules(agent, [echo("p1")])).toEqual(["callgate/budget-concurrent"]);
    stops[0]?.abort();
    await until("a free place", async () => ruleOf(await agent.call("odd__echo", { text: "p2" })) === undefined);
    stops[1]?.abort();
    await Promise.all(slow);
    const ended = (await callsAfter(broker.data, before)).filter((c) => c.intent.tool?.name === "slow");
    expect(ended.map((c) => c.outcome.status)).toEqual(["cancelled", "cancelled"]);
    await agent.close();
  });

  it("of wall time ends the call at its server too", async () => {
    const agent = await agentOf("hasty");
    const before = newestIn(broker.data);
    const late = await agent.call("odd__slow", { ms: 55_000 });
    expect(ruleOf(late)).toBe("callgate/timeout");
    expect(textOf(late)).toContain("the server did not answer within 150 ms");
    expect((await callsAfter(broker.data, before)).map((c) => c.outcome.status)).toEqual(["timeout"]);
    await agent.close();
  });

  it("of a tool holds for all who call it", async () => {
    const [one, two] = [await agentOf("plain"), await agentOf("other")];
    const call = (celsius: number) => ["odd__forecast", { celsius }] as const;
    expect(await rules(one, [call(1), call(2), call(3)])).toEqual([undefined, undefined, undefined]);
    expect(await rules(two, [call(4), call(5), call(6), call(7)])).toEqual([
      undefined,
      undefined,
      undefined,
      "callgate/budget-calls",
    ]);
    await Promise.all([one.close(), two.close()]);
  });

  it("of a manifest holds for each session by itself", async () => {
    const [one, two] = [await agentOf("plain"), await agentOf("plain")];
    const call = ["odd__pid", {}] as const;
    expect(await rules(one, [call, call, call])).toEqual([undefined, undefined, "callgate/budget-rate"]);
    expect(await rules(two, [call, call, call])).toEqual([undefined, undefined, "callgate/budget-rate"]);
    await Promise.all([one.close(), two.close()]);
  });

  it.each(KINDS)("of a session ends with its last call, and a new session has its own: %s", async (kind) => {
    const agent = await agentOf("plain", kind);
    const calls = Array.from({ length: 41 }, (_, i) => echo(`${kind} ${i}`));
    expect(await rules(agent, calls)).toEqual([...Array<undefined>(40).fill(undefined), "callgate/budget-calls"]);
    const fresh = await agentOf("plain", kind);
    expect(await rules(fresh, [echo(`${kind} again`)])).toEqual([undefined]);
    await Promise.all([agent.close(), fresh.close()]);
  });

  it("gets back what a denied call had reserved", async () => {
    const agent = await agentOf("refund");
    const denied = [
      ["odd__echo", { text: "a secret" }],
      ["odd__echo", { text: 1 }],
      ["odd__sample", { prompt: "x" }],
      ["odd__echo", { text: "x".repeat(3000) }],
      ["odd__echo", { text: "another secret" }],
    ] as const;
    expect(await rules(agent, denied)).toEqual([
      "no-secrets",
      "callgate/invalid-arguments",
      "callgate/missing-scope",
      "callgate/invalid-arguments",
      "no-secrets",
    ]);
    expect(await rules(agent, [echo("f1"), echo("f2"), echo("f3")])).toEqual([
      undefined,
      undefined,
      "callgate/budget-calls",
    ]);
    await agent.close();
  });
});

describe("the loop breaker", () => {
  it("stops the same call with the same arguments, however they are written, and nothing else", async () => {
    const agent = await agentOf("plain");
    const place = (args: Record<string, unknown>) => ["odd__place", args] as const;
    const same = [
      place({ city: "Rome", kind: "town" }),
      place({ kind: "town", city: "Rome" }),
      place({ city: "Rome", kind: "town" }),
    ];
    expect(await rules(agent, [...same, place({ kind: "town", city: "Rome" })])).toEqual([
      undefined,
      undefined,
      undefined,
      "callgate/loop",
    ]);
    const refused = await agent.call("odd__place", { city: "Rome", kind: "town" });
    expect(textOf(refused)).toMatch(/`odd__place` was called 3 times with the same arguments in the last 600 s/);
    expect(textOf(refused)).toContain("What to do: do not repeat this call");
    expect(await rules(agent, [place({ city: "Rome" })])).toEqual([undefined]);
    const denial = recordsIn(broker.data, { kind: ["denial"], tool: "odd__place" }).at(-1);
    expect(denial?.error?.code).toBe("callgate/loop");
    await agent.close();
  });

  it("leaves other sessions alone", async () => {
    const [one, two] = [await agentOf("plain"), await agentOf("plain")];
    expect(await rules(one, [echo("l"), echo("l"), echo("l"), echo("l")])).toEqual([
      undefined,
      undefined,
      undefined,
      "callgate/loop",
    ]);
    expect(textOf(await one.call("odd__echo", { text: "l" }))).toContain(
      "in the last 600 s, each time with the same result",
    );
    expect(await rules(two, [echo("l")])).toEqual([undefined]);
    await Promise.all([one.close(), two.close()]);
  });

  it.each([2, 3, 4])("stops a circle of %i calls whose results do not change", async (period) => {
    const agent = await agentOf("plain");
    const circle = Array.from({ length: period }, (_, i) => echo(`circle of ${period}: ${i}`));
    const met = await rules(agent, [...circle, ...circle, circle[0] as ReturnType<typeof echo>]);
    expect(met).toEqual([...Array<undefined>(2 * period).fill(undefined), "callgate/loop"]);
    const refused = await agent.call(...(circle[0] as ReturnType<typeof echo>));
    expect(textOf(refused)).toContain(
      `the last ${2 * period} calls went round in a circle of ${period} with unchanged results`,
    );
    // Another call breaks the circle.
    expect(await rules(agent, [echo(`out of the circle of ${period}`)])).toEqual([undefined]);
    await agent.close();
  });

  it.each([2, 3, 4])("lets a circle of %i calls go on while results change", async (period) => {
    const agent = await agentOf("plain");
    const circle = Array.from({ length: period }, (_, i) => turn(`turn of ${period}: ${i}`));
    expect(await rules(agent, [...circle, ...circle, ...circle])).toEqual(Array<undefined>(3 * period).fill(undefined));
    await agent.close();
  });

  it("does not count calls that were denied", async () => {
    const agent = await agentOf("plain");
    expect(
      await rules(
        agent,
        Array.from({ length: 6 }, () => echo("the secret")),
      ),
    ).toEqual(Array<string>(6).fill("no-secrets"));
    await agent.close();
  });
});

describe("a schema", () => {
  const bad: [string, Record<string, unknown>, string | RegExp][] = [
    ["a missing member", {}, /must have required property 'city'/],
    ["another type", { city: 5 }, "`arguments.city` must be string"],
    ["a text that is too short", { city: "" }, "`arguments.city` must NOT have fewer than 1 characters"],
    ["a text that is too long", { city: "x".repeat(21) }, "`arguments.city` must NOT have more than 20 characters"],
    [
      "a value that is none of the listed",
      { city: "Rome", kind: "hamlet" },
      '`arguments.kind` must be equal to one of the allowed values: ["town","village"]',
    ],
    ["a number out of range", { city: "Rome", at: { lat: 91 } }, "`arguments.at.lat` must be <= 90"],
    [
      "a member that is not declared",
      { city: "Rome", at: { lat: 1, lon: 2 } },
      "`arguments.at` must NOT have additional properties: `lon`",
    ],
  ];
  it.each(bad)("refuses %s, and says where", async (_, args, says) => {
    const agent = await agentOf("plain");
    const before = ran(folder).length;
    const refused = await agent.call("odd__place", args);
    expect(ruleOf(refused)).toBe("callgate/invalid-arguments");
    expect(textOf(refused)).toMatch(
      typeof says === "string" ? new RegExp(says.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")) : says,
    );
    expect(ran(folder)).toHaveLength(before);
    await agent.close();
  });

  it("of the result withholds one that does not fit, and says that the call was made", async () => {
    const fresh = await startBroker(writeOdd(folder, {}, "results"));
    try {
      for (const kind of KINDS) {
        const agent = await connect(kind, { url: fresh.url, token: await fresh.token("ann") });
        const good = await agent.call("odd__forecast", { celsius: 20 });
        expect(good.structuredContent).toEqual({ celsius: 20 });
        const before = newestIn(fresh.data);
        const bad = await agent.call("odd__forecast", { celsius: "the secret temperature" });
        expect(ruleOf(bad)).toBe("callgate/invalid-result");
        expect(JSON.stringify(bad)).not.toContain("the secret temperature");
        expect((await callsAfter(fresh.data, before)).map((c) => [c.outcome.status, c.outcome.error?.code])).toEqual([
          ["error", "callgate/invalid-result"],
        ]);
        await agent.close();
      }
    } finally {
      await fresh.stop();
    }
  });
});

describe("the size of a result", () => {
  const reason = (result: ToolResult) =>
    (result._meta?.["io.callgate/denial"] as { reason?: string } | undefined)?.reason;

  it("is capped by the configuration: what is over is withheld, what fits goes through whole", async () => {
    const agent = await agentOf("plain");
    const fits = await agent.call("odd__big", { bytes: 30_000 });
    expect(textOf(fits)).toHaveLength(30_000);
    const over = await agent.call("odd__big", { bytes: 40_000 });
    expect([ruleOf(over), reason(over)]).toEqual(["callgate/result-too-large", "the result is over 32768 bytes"]);
    expect(textOf(over)).toContain("ask for less");
    expect(textOf(over).length).toBeLessThan(500);
    await agent.close();
  });

  it("is capped by a policy that says so", async () => {
    const agent = await agentOf("plain");
    const over = await agent.call("odd__chatter", { word: "on and on" });
    expect([ruleOf(over), reason(over)]).toEqual(["callgate/result-too-large", "the result is over 20 bytes"]);
    await agent.close();
  });
});
