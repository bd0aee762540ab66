import { readFileSync } from "node:fs";
import { digestOf } from "@callgate/core";
import { ApprovalStore } from "@callgate/gateway";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, type Governed, newestIn, payloadsOf, recordsIn, verify } from "../support/ledger.ts";
import { setTalker } from "../support/talker.ts";
import { until } from "../support/until.ts";

const KEY = "sk-verysecret";
const folder = makeFolder("obligations");
let broker: Broker;
let operator: ApprovalStore;
let heard: string;

beforeAll(async () => {
  const talker = setTalker(folder, { write: { effects: ["write"] }, held: { effects: ["write"] } });
  heard = talker.heard;
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["*"] },
      {
        id: "set",
        effect: "permit",
        tools: ["talker__write"],
        obligations: [
          { kind: "rewrite", path: "$.sure", value: true },
          { kind: "rewrite", path: "$.at.zone", value: "UTC" },
          { kind: "rewrite", path: "$.at.deep.zone", value: "UTC" },
          { kind: "rewrite", path: "$.at[*].zone", value: "UTC" },
          { kind: "clamp", path: "$.limit", max: 10 },
        ],
      },
      {
        id: "redirect",
        effect: "permit",
        tools: ["talker__held"],
        obligations: [
          { kind: "rewrite", path: "$.to", value: "other@corp.example" },
          { kind: "clamp", path: "$.limit", max: 10 },
          { kind: "redact", target: "args", path: "$.key" },
        ],
      },
      { id: "look", effect: "ask", tools: ["talker__held"], reason: "an operator looks at this" },
      {
        id: "hide",
        effect: "permit",
        tools: ["talker__hidden"],
        when: 'origin(args.to).exists(o, o == "model")',
        obligations: [{ kind: "redact", target: "args", path: "$.key" }],
      },
      {
        id: "not-there",
        effect: "forbid",
        tools: ["talker__hidden"],
        when: 'has(args.to) && args.to == "there"',
        reason: "not there",
      },
    ],
  });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: { talker: talker.server },
      agents: { ann: { scopes: [] } },
      policies: ["policies.yaml"],
      approvals: { wait: "20s", ttl: "5m" },
      log: { level: "debug" },
    }),
  );
  operator = new ApprovalStore(broker.data);
});
afterAll(async () => {
  operator?.close();
  await broker?.stop();
  folder.remove();
});

const agentOf = async (): Promise<Agent> =>
  connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });

const lastHeard = (): unknown => JSON.parse(readFileSync(heard, "utf8").trim().split("\n").at(-1) as string);

async function governed(before: number): Promise<Governed> {
  return (await callsAfter(broker.data, before))[0] as Governed;
}

describe("a rewrite", () => {
  it("puts an argument where the agent left it out, in an object that is there, and nowhere else", async () => {
    const agent = await agentOf();
    await agent.call("talker__write", { to: "a" });
    expect(lastHeard()).toEqual(["write", { to: "a", sure: true }]);
    await agent.call("talker__write", { to: "a", sure: false, at: { x: {} } });
    expect(lastHeard()).toEqual(["write", { to: "a", sure: true, at: { x: {}, zone: "UTC" } }]);
    await agent.call("talker__write", { to: "a", at: { x: { zone: "CET" }, deep: {} } });
    expect(lastHeard()).toEqual([
      "write",
      { to: "a", sure: true, at: { x: { zone: "UTC" }, deep: { zone: "UTC" }, zone: "UTC" } },
    ]);
    await agent.close();
  });
});

describe("the record of a call that a policy changed", () => {
  it("has what was sent, and what was asked for where the policies are asked again", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const asked = { to: "b", limit: 99 };
    await agent.call("talker__write", asked);
    await agent.call("talker__write", { to: "b", limit: 7, sure: true });
    const [changed, same] = (await callsAfter(broker.data, before)) as [Governed, Governed];
    const sent = '{"limit":10,"sure":true,"to":"b"}';
    expect(payloadsOf(broker.data, changed.intent.seq)["args"]).toBe(sent);
    expect(changed.intent.detail).toMatchObject({ changed: true });
    expect(JSON.parse(payloadsOf(broker.data, changed.intent.seq)["facts"] as string)).toMatchObject({
      asked: JSON.stringify({ limit: 99, to: "b" }),
    });
    expect(same.intent.detail).not.toHaveProperty("changed");
    expect(verify(broker.data)).toMatchObject({ ok: true });
    await agent.close();
    // The policies saw what was asked for: deciding again is about that.
    const simulated = await callgate("policy", "simulate", "-c", broker.config, "--against", broker.data, "--json");
    expect(simulated.lines.join("\n")).toMatch(/"unreplayable":0/);
  });
});

describe("a held call that a policy changes", () => {
  it("is shown and approved as it goes to the server", async () => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    const asked = { to: "ann@corp.example", limit: 70, key: KEY };
    const call = agent.call("talker__held", asked);
    const held = await until("the call to be held", () => operator.list("pending")[0]);
    const sent = '{"key":"[redacted]","limit":10,"to":"other@corp.example"}';
    expect(held.argsText).toBe(sent);
    expect(held.args).toBe(digestOf(sent));
    const shown = await callgate("approvals", "show", held.id, "--config", broker.config);
    expect(shown.lines.join("\n")).toContain("other@corp.example");
    expect(shown.lines.join("\n")).not.toContain(KEY);
    operator.answer(held.id, "approved", "olga");
    expect(JSON.parse(textOf(await call))).toEqual(JSON.parse(sent));
    expect(lastHeard()).toEqual(["held", JSON.parse(sent)]);
    const { intent } = await governed(before);
    expect(payloadsOf(broker.data, intent.seq)["args"]).toBe(sent);
    expect(intent.detail).toMatchObject({ changed: true });
    expect(JSON.stringify([intent, payloadsOf(broker.data, intent.seq)])).not.toContain(KEY);
    await agent.close();
  });

  it("finds the approval that was given after nobody waited any more", async () => {
    const agent = await agentOf();
    const asked = { to: "bob@corp.example", limit: 71, key: KEY };
    const stop = new AbortController();
    const gone = agent.call("talker__held", asked, { signal: stop.signal }).catch(() => {});
    const held = await until("the call to be held", () => operator.list("pending")[0]);
    stop.abort();
    await gone;
    operator.answer(held.id, "approved", "olga");
    const again = await agent.call("talker__held", asked);
    expect(ruleOf(again)).toBeUndefined();
    expect(operator.get(held.id)?.status).toBe("used");
    await agent.close();
  });
});

describe("an argument that a policy takes out", () => {
  it.each([
    ["runs", { key: KEY, to: "x" }, "intent"],
    ["is denied by another policy", { key: KEY, to: "there" }, "denial"],
    ["is denied before the policies are asked", { key: KEY, to: 7 }, "denial"],
  ] as const)("is kept nowhere in clear where the call %s", async (_, args, kind) => {
    const agent = await agentOf();
    const before = newestIn(broker.data);
    await agent.call("talker__hidden", args);
    await agent.close();
    const records = await until("its record", () => {
      const found = recordsIn(broker.data, { after: before });
      return found.some((r) => r.kind === kind) && found;
    });
    for (const record of records) {
      const kept = JSON.stringify([record, payloadsOf(broker.data, record.seq)]);
      expect(kept).not.toContain(KEY);
      if (record.kind === "intent")
        expect(payloadsOf(broker.data, record.seq)["args"]).toBe('{"key":"[redacted]","to":"x"}');
      else expect(payloadsOf(broker.data, record.seq)).not.toHaveProperty("args");
    }
    expect(broker.process.lines.join("\n")).not.toContain(KEY);
    expect(readFileSync(heard, "utf8")).not.toContain(KEY);
  });
});
