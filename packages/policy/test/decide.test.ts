import { describe, expect, it } from "vitest";
import { call, load, MAIL, tool, under } from "./facts.ts";

const ARGS = { to: ["ann@example.com"], subject: "hi" };

const BOTH = `
policies:
  - id: mail
    effect: permit
    tools: ["mail__*"]
    obligations:
      - { kind: cap, resultBytes: 1000 }
      - { kind: label, label: private }
  - id: no-strangers
    effect: forbid
    tools: ["mail__send"]
    when: args.to.exists(a, !a.endsWith("@example.com"))
    reason: mail leaves the company
    remedy: send it to a colleague
  - id: confirm-many
    effect: ask
    tools: ["mail__send"]
    when: size(args.to) > 2
    approve: client
    reason: this goes to many people
  - id: confirm-weekend
    effect: ask
    tools: ["mail__send"]
    when: time.getDayOfWeek() == 0 && args.subject == "urgent"
    reason: it is Sunday
`;

describe("decide", () => {
  it("denies by default", () => {
    const decision = load("policies: []").decide(call(MAIL, ARGS));
    expect(decision.verdict).toBe("deny");
    expect(decision.reasons.map((r) => r.rule)).toEqual(["callgate/default-deny"]);
    expect(decision.policies).toMatch(/^sha256:/);
  });

  it("allows by a permit, with its obligations", () => {
    const decision = load(BOTH).decide(call(MAIL, ARGS));
    expect(decision.verdict).toBe("allow");
    expect(decision.obligations).toEqual([
      { kind: "cap", resultBytes: 1000, rule: "mail" },
      { kind: "label", label: "private", rule: "mail" },
    ]);
    expect(decision.errors).toEqual([]);
  });

  it("lets a forbid win over a permit and an ask", () => {
    const to = ["ann@example.com", "eve@evil.example", "bob@example.com"];
    const decision = load(BOTH).decide(call(MAIL, { ...ARGS, to }));
    expect(decision.verdict).toBe("deny");
    expect(decision.reasons).toEqual([
      { rule: "no-strangers", message: "mail leaves the company", remedy: "send it to a colleague" },
    ]);
    expect(decision.obligations).toEqual([]);
  });

  it("holds on an ask, and takes the narrowest approver", () => {
    const to = ["a@example.com", "b@example.com", "c@example.com"];
    const many = load(BOTH).decide(call(MAIL, { ...ARGS, to }));
    expect(many).toMatchObject({ verdict: "hold", approver: "client", reasons: [{ rule: "confirm-many" }] });
    expect(many.obligations).toHaveLength(2);
    const both = load(BOTH).decide(call(MAIL, { to, subject: "urgent" }));
    expect(both).toMatchObject({ verdict: "hold", approver: "operator" });
    expect(both.reasons.map((r) => r.rule)).toEqual(["confirm-many", "confirm-weekend"]);
  });

  it.each(["permit", "forbid", "ask"])("denies when a %s fails, though a permit holds", (effect) => {
    const set = load(`
policies:
  - { id: all, effect: permit, tools: ["*"] }
  - { id: failing, effect: ${effect}, tools: ["*"], when: 'size(args.cc) > 1', reason: because }
`);
    expect(set.decide(call(MAIL, { ...ARGS, cc: [] })).verdict).toBe("allow");
    const decision = set.decide(call(MAIL, ARGS));
    expect(decision.verdict).toBe("deny");
    expect(decision.errors).toEqual([{ rule: "failing", message: "no such key: `cc`" }]);
    expect(decision.reasons.map((r) => r.rule)).toEqual(["failing"]);
    expect(JSON.stringify(decision.reasons)).not.toContain("cc");
  });

  it("asks only principals that a policy speaks to", () => {
    const set = load(`
policies:
  - { id: readers, effect: permit, tools: ["*"], roles: ["read*"] }
  - { id: not-bots, effect: forbid, tools: ["*"], agents: ["bot-*"], reason: bots may not }
`);
    expect(set.decide(call(MAIL, ARGS)).verdict).toBe("allow");
    const as = (agent: string, roles: string[]) =>
      set.decide(call(MAIL, ARGS, { principal: { agent, roles, scopes: [] } }));
    expect(as("bot-1", ["reader"]).reasons.map((r) => r.rule)).toEqual(["not-bots"]);
    expect(as("demo", ["writer"]).reasons.map((r) => r.rule)).toEqual(["callgate/default-deny"]);
  });

  it("hides a tool by list policies alone, and when one fails", () => {
    const set = load(`
policies:
  - { id: hide, effect: forbid, phase: list, tools: ["mail__*"], when: 'principal.user == "guest"', reason: not for guests }
`);
    const demo = { agent: "demo", roles: [], scopes: [] };
    expect(set.mayList({ ...demo, user: "ann" }, MAIL)).toBe(true);
    expect(set.mayList({ ...demo, user: "guest" }, MAIL)).toBe(false);
    expect(set.mayList(demo, MAIL)).toBe(false);
    expect(set.mayList(demo, tool("fs__read"))).toBe(true);
    expect(set.decide(call(MAIL, ARGS)).reasons.map((r) => r.rule)).toEqual(["callgate/default-deny"]);
  });

  it("reads every fact", () => {
    const rule = `principal.agent == "demo" && "reader" in principal.roles && "mail:send" in principal.scopes && !has(principal.user)
      && tool.server == "mail" && tool.name == "send" && "external" in tool.effects && tool.labels == []
      && session.calls == 3 && session.cost < 2.0 && time - session.started == duration("30m") && session.labels.size() == 0
      && loop.repeats == 1 && !loop.sameResult && budget.callsLeft > 5 && budget.costLeft == -1.0 && time.getHours() == 12`;
    expect(under(rule, ARGS).verdict).toBe("allow");
  });

  it("checks a tool that came after loading against its own schema", () => {
    const set = load(`policies: [{ id: short, effect: permit, tools: ["*"], when: 'size(args.subject) < 5' }]`);
    const late = tool("note__add", {
      type: "object",
      properties: { subject: { type: "string" } },
      required: ["subject"],
    });
    expect(set.decide(call(late, { subject: "abc" })).verdict).toBe("allow");
    const other = tool("note__drop", {
      type: "object",
      properties: { id: { type: "string" } },
      additionalProperties: false,
    });
    const decision = set.decide(call(other, { id: "x" }));
    expect(decision.verdict).toBe("deny");
    expect(decision.errors[0]?.message).toContain("`args` has no field `subject`");
  });

  it("rebinds a tool whose definition changed", () => {
    const set = load(
      `policies: [{ id: short, effect: permit, tools: ["mail__send"], when: 'size(args.subject) < 5' }]`,
    );
    const changed = tool("mail__send", {
      type: "object",
      properties: { title: { type: "string" } },
      additionalProperties: false,
    });
    expect(set.decide(call(MAIL, ARGS)).verdict).toBe("allow");
    expect(set.decide(call(changed, { title: "hi" })).verdict).toBe("deny");
  });
});
