import { openReader } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, type Kind, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, type Governed, newestIn, recordsIn } from "../support/ledger.ts";
import { writeVault } from "../support/vault.ts";

const TOOLS = ["open", "guarded", "masked", "marked", "small", "bounded", "capped", "after", "heavy"];
const permit = (id: string, tools: string[], obligations: object[], more: object = {}) => ({
  id,
  effect: "permit",
  tools,
  obligations,
  ...more,
});

const folder = makeFolder("results");
let broker: Broker;

beforeAll(async () => {
  const config = writeVault(folder, TOOLS, [
    { id: "all", effect: "permit", tools: ["*"] },
    {
      id: "no-keys",
      effect: "forbid",
      phase: "result",
      tools: ["vault__guarded", "vault/resources/read"],
      when: 'result.text.matches("sk-[a-z]+")',
      reason: "the result holds a key",
      remedy: "ask for another entry",
    },
    {
      id: "not-secret",
      effect: "forbid",
      phase: "result",
      tools: ["vault__guarded"],
      when: "result.structured.secret",
      reason: "it is secret",
    },
    permit("mask-token", ["vault__masked"], [{ kind: "redact", path: "$.structuredContent.token" }], {
      phase: "result",
      when: "!result.isError",
    }),
    permit(
      "mask-keys",
      ["vault__masked"],
      [
        { kind: "redact", path: "$.content[*].text", pattern: "sk-[a-z]+" },
        { kind: "redact", path: "$.structuredContent.numbers", pattern: "^4[0-9]{3}$" },
      ],
    ),
    {
      id: "sees-all",
      effect: "forbid",
      phase: "result",
      tools: ["vault__masked"],
      when: 'result.text.contains("[redacted]")',
      reason: "the policies looked at what was redacted already",
    },
    permit("mark", ["vault__marked"], [{ kind: "label", label: "secret" }], {
      phase: "result",
      when: "has(result.structured.secret) && result.structured.secret",
    }),
    {
      id: "after-secret",
      effect: "forbid",
      tools: ["vault__after"],
      when: '"secret" in session.labels',
      reason: "a secret was read",
    },
    permit("keep-small", ["vault__small"], [{ kind: "cap", resultBytes: 200 }], { phase: "result" }),
    permit(
      "bound",
      ["vault__bounded"],
      [
        { kind: "clamp", path: "$.limit", min: 1, max: 50 },
        { kind: "redact", path: "$.text", target: "args", pattern: "[0-9]{4,}" },
      ],
    ),
    permit(
      "heavy",
      ["vault__heavy"],
      [
        { kind: "redact", path: "$.content[*].text", pattern: "(a|aa|a?){100}b" },
        { kind: "redact", path: "$.text", target: "args", pattern: "(a|aa|a?){100}b" },
      ],
    ),
    permit("slowly", ["vault__capped"], [{ kind: "cap", callsPerMinute: 2 }]),
  ]);
  broker = await startBroker(config);
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

const agentOf = async (kind: Kind = "2.x client, modern", name = "ann"): Promise<Agent> =>
  connect(kind, { url: broker.url, token: await broker.token(name) });

const said = (...texts: string[]) => texts.map((text) => ({ type: "text", text }));

/** What is kept beside a record. */
function payloadsOf(seq: number): Readonly<Record<string, string>> {
  const reader = openReader(broker.data);
  try {
    return reader.show(seq)?.payloads ?? {};
  } finally {
    reader.close();
  }
}

/** Makes one call and gives its result with what the ledger recorded. */
async function called(agent: Agent, name: string, args: Record<string, unknown>) {
  const before = newestIn(broker.data);
  const result = await agent.call(`vault__${name}`, args);
  const [governed] = await callsAfter(broker.data, before);
  return { result, governed: governed as Governed };
}

describe.each(["1.x client", "2.x client, modern"] as const)("for a %s, a result", (kind) => {
  it("that a policy forbids is withheld, with rule, reason and remedy", async () => {
    const agent = await agentOf(kind);
    const { result, governed } = await called(agent, "guarded", {
      result: { content: said("take sk-abc"), structuredContent: { secret: false } },
    });
    expect(result.isError).toBe(true);
    expect(ruleOf(result)).toBe("no-keys");
    expect(textOf(result)).toBe(
      "The result is withheld: the result holds a key. The call itself was made.\nWhat to do: ask for another entry.\nRule: no-keys.",
    );
    expect(JSON.stringify(result)).not.toContain("sk-abc");
    expect(governed.intent.decision?.verdict).toBe("allow");
    expect(governed.outcome).toMatchObject({
      status: "error",
      error: { code: "no-keys", message: "the result holds a key" },
      detail: { judged: "block", rules: ["no-keys"] },
    });
    await agent.close();
  });

  it("on which a policy fails is withheld, and the record tells why", async () => {
    const agent = await agentOf(kind);
    const { result, governed } = await called(agent, "guarded", {
      result: { content: said("hello"), structuredContent: { other: 1 } },
    });
    expect(ruleOf(result)).toBe("not-secret");
    expect(textOf(result)).not.toContain("key");
    expect(governed.outcome.error?.code).toBe("not-secret");
    expect(governed.outcome.detail?.["errors"]).toEqual([{ rule: "not-secret", message: "no such key: `secret`" }]);
    await agent.close();
  });

  it("is seen whole where the policies that speak about it do not hold", async () => {
    const agent = await agentOf(kind);
    const sent = { content: said("hello"), structuredContent: { secret: false, n: 1.5 }, isError: false };
    const { result, governed } = await called(agent, "guarded", { result: sent });
    expect(result).toMatchObject(sent);
    expect(governed.outcome.status).toBe("ok");
    expect(governed.outcome.detail).toEqual({ judged: "pass" });
    await agent.close();
  });

  it("loses what is redacted, and every copy of it in text blocks", async () => {
    const agent = await agentOf(kind);
    const entry = { user: "ann", token: "t0p", numbers: [4111, 7] };
    const { result, governed } = await called(agent, "masked", {
      result: {
        structuredContent: entry,
        content: [
          ...said(JSON.stringify(entry, undefined, 2), '{"token":"t0p","numbers":[4111,7],"user":"ann"}', "t0p"),
          ...said('"t0p"', "[4111, 7]", '{"user":"ann"}', "and sk-abc"),
          { type: "resource", resource: { uri: "vault://x", text: JSON.stringify(entry) } },
        ],
      },
    });
    const masked = { user: "ann", token: "[redacted]", numbers: ["[redacted]", 7] };
    expect(result.structuredContent).toEqual(masked);
    expect(result.content.map((c) => c.text)).toEqual([
      JSON.stringify(masked),
      JSON.stringify(masked),
      "[redacted]",
      '"[redacted]"',
      JSON.stringify(masked.numbers),
      '{"user":"ann"}',
      "and [redacted]",
      undefined,
    ]);
    expect(JSON.stringify(result)).not.toMatch(/t0p|4111|sk-abc/);
    expect(governed.outcome.status).toBe("ok");
    expect(governed.outcome.detail).toEqual({ judged: "pass", rules: ["mask-token"] });
    expect(payloadsOf(governed.outcome.seq)["result"]).not.toMatch(/t0p|4111|sk-abc/);
    await agent.close();
  });
});

describe("a result policy", () => {
  it("marks the session, and later calls are decided on it", async () => {
    const agent = await agentOf("2.x client, legacy");
    const calls = async (secret: boolean) => {
      await agent.call("vault__marked", { result: { content: said("x"), structuredContent: { secret } } });
      return ruleOf(await agent.call("vault__after", {}));
    };
    expect(await calls(false)).toBeUndefined();
    expect(await calls(true)).toBe("after-secret");
    expect(await calls(false)).toBe("after-secret");
    await agent.close();
  });

  it("caps the size of a result", async () => {
    const agent = await agentOf();
    expect(textOf(await agent.call("vault__small", { result: { content: said("short") } }))).toBe("short");
    const { result, governed } = await called(agent, "small", { result: { content: said("x".repeat(300)) } });
    expect(ruleOf(result)).toBe("callgate/result-too-large");
    expect(governed.outcome.detail).toEqual({ judged: "pass", rules: ["keep-small"] });
    await agent.close();
  });

  it("withholds what could not be looked through, and denies arguments that could not", async () => {
    const agent = await agentOf();
    const text = "a".repeat(200_000);
    const { result, governed } = await called(agent, "heavy", { result: { content: said(text) } });
    expect(ruleOf(result)).toBe("callgate/obligation");
    expect(governed.outcome.error?.code).toBe("callgate/obligation");
    const before = newestIn(broker.data);
    expect(ruleOf(await agent.call("vault__heavy", { text }))).toBe("callgate/obligation");
    const [denial] = recordsIn(broker.data, { after: before });
    expect(denial).toMatchObject({ kind: "denial", detail: { errors: [{ rule: "heavy" }] } });
    await agent.close();
  });

  it("reads resources too, and blocks them with an error of the protocol", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    await expect(agent.request("resources/read", { uri: "vault://note" })).rejects.toThrow(
      /the result is withheld: the result holds a key/,
    );
    const [governed] = await callsAfter(broker.data, before);
    expect(governed?.outcome.error?.code).toBe("no-keys");
    await agent.close();
  });

  it("takes an error of the server's for a result that says it failed", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    await expect(agent.call("vault__masked", { text: "fail" })).rejects.toThrow(/the vault is shut/);
    // A rule that reads what an error does not have fails, and withholds it.
    expect(ruleOf(await agent.call("vault__guarded", { text: "fail" }))).toBe("not-secret");
    const outcomes = (await callsAfter(broker.data, before)).map((one) => one.outcome.error?.code);
    expect(outcomes).toEqual(["wire/-32099", "not-secret"]);
    await agent.close();
  });
});

describe("an obligation on arguments", () => {
  it("clamps numbers, exact ones too, and takes out what a pattern matches", async () => {
    const agent = await agentOf();
    const reached = async (args: Record<string, unknown>) => textOf(await agent.call("vault__bounded", args));
    expect(await reached({ limit: 1000 })).toBe('{"limit":50}');
    expect(await reached({ limit: -2.5 })).toBe('{"limit":1}');
    expect(await reached({ limit: 7 })).toBe('{"limit":7}');
    expect(await reached({ limit: 2 ** 60 })).toBe('{"limit":50}');
    expect(await reached({})).toBe("{}");
    const before = newestIn(broker.data);
    expect(await reached({ text: "card 41111111, door 12" })).toBe('{"text":"card [redacted], door 12"}');
    const [governed] = await callsAfter(broker.data, before);
    expect(payloadsOf(governed?.intent.seq ?? 0)["args"]).toBe('{"text":"card [redacted], door 12"}');
    await agent.close();
  });

  it("denies what it cannot clamp", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const result = await agent.call("vault__bounded", { limit: "50" });
    expect(ruleOf(result)).toBe("callgate/obligation");
    expect(textOf(result)).toContain("send the number as a number");
    const [denial] = recordsIn(broker.data, { after: before, kind: ["denial"] });
    expect(denial?.detail?.["errors"]).toEqual([{ rule: "bound", message: "`$.limit` is no number" }]);
    await agent.close();
  });

  it("caps how often one agent may call", async () => {
    const [ann, bob] = [await agentOf(), await agentOf("1.x client", "bob")];
    const before = newestIn(broker.data);
    const rules = [];
    for (const agent of [ann, ann, ann, bob, ann]) rules.push(ruleOf(await agent.call("vault__capped", {})));
    expect(rules).toEqual([undefined, undefined, "slowly", undefined, "slowly"]);
    const denied = await ann.call("vault__capped", {});
    expect(textOf(denied)).toMatch(
      /^Denied: `ann` made 2 calls in the last minute, as many as the policy permits\.\nWhat to do: wait \d+ s, then try again\./,
    );
    const records = recordsIn(broker.data, { after: before, kind: ["intent", "denial"] });
    expect(records.map((r) => [r.kind, r.agent])).toEqual([
      ["intent", "ann"],
      ["intent", "ann"],
      ["denial", "ann"],
      ["intent", "bob"],
      ["denial", "ann"],
      ["denial", "ann"],
    ]);
    expect(records[2]).toMatchObject({ error: { code: "slowly" }, decision: { verdict: "deny" } });
    expect(records[2]?.decision?.rules[0]).toBe("slowly");
    await Promise.all([ann.close(), bob.close()]);
  });
});
