import { describe, expect, it } from "vitest";
import { loadPolicies } from "../src/index.ts";
import { call, load, MAIL, refusal, tool } from "./facts.ts";

const ARGS = { to: ["ann@example.com"], subject: "hi" };
const LIVE = `
policies:
  - { id: all, effect: permit, tools: ["*"] }
`;
const with_ = (...rules: string[]) => load(LIVE + rules.map((rule) => `  - { ${rule} }\n`).join(""));
const as = (agent: string) => ({ principal: { agent, roles: [], scopes: [] } });

describe("a policy in `observe`", () => {
  it("is recorded when it holds, and changes nothing", () => {
    const set = with_(
      'id: watch, effect: forbid, tools: ["*"], mode: observe, reason: r',
      'id: idle, effect: forbid, tools: ["*"], mode: observe, when: args.subject == "x", reason: r',
      'id: ask, effect: ask, tools: ["*"], mode: observe, reason: r',
    );
    const decision = set.decide(call(MAIL, ARGS));
    expect(decision).toMatchObject({ verdict: "allow", errors: [], reasons: [{ rule: "all" }] });
    expect(decision.trial).toEqual({ observed: ["watch", "ask"] });
  });

  it("is recorded when it fails, and does not deny", () => {
    const set = with_('id: failing, effect: forbid, tools: ["*"], mode: observe, when: size(args.cc) > 1, reason: r');
    const decision = set.decide(call(MAIL, ARGS));
    expect(decision).toMatchObject({ verdict: "allow", errors: [], trial: { observed: ["failing"] } });
    expect(set.decide(call(MAIL, { ...ARGS, cc: [] })).trial).toBeUndefined();
  });

  it("permits nothing, and its obligations are not carried out", () => {
    const set = load(
      `policies: [{ id: p, effect: permit, tools: ["*"], mode: observe, obligations: [{ kind: label, label: private }] }]`,
    );
    expect(set.decide(call(MAIL, ARGS))).toMatchObject({
      verdict: "deny",
      reasons: [{ rule: "callgate/default-deny" }],
      obligations: [],
      trial: { observed: ["p"] },
    });
  });
});

describe("a policy in `shadow`", () => {
  it.each<[string, string, object]>([
    ["a forbid", "effect: forbid, reason: r", { verdict: "deny", rules: ["new"] }],
    ["an ask", "effect: ask, reason: r", { verdict: "hold", rules: ["new"] }],
    ["a second permit", "effect: permit", { verdict: "allow", rules: ["all", "new"] }],
    ["a forbid that fails", "effect: forbid, reason: r, when: size(args.cc) > 1", { verdict: "deny", rules: ["new"] }],
  ])("tells what it would change: %s", (_, rule, shadow) => {
    const decision = with_(`id: new, tools: ["*"], mode: shadow, ${rule}`).decide(call(MAIL, ARGS));
    expect(decision).toMatchObject({ verdict: "allow", errors: [], reasons: [{ rule: "all" }] });
    expect(decision.trial).toEqual({ observed: [], shadow });
  });

  it("counts as a permit in the shadow decision", () => {
    const set = load('policies: [{ id: new, effect: permit, tools: ["*"], mode: shadow }]');
    const decision = set.decide(call(MAIL, ARGS));
    expect(decision.verdict).toBe("deny");
    expect(decision.trial?.shadow).toEqual({ verdict: "allow", rules: ["new"] });
  });

  it("says nothing where it makes no difference", () => {
    const set = with_(
      'id: no, effect: forbid, tools: ["*"], reason: r',
      'id: more, effect: permit, tools: ["*"], mode: shadow',
      'id: never, effect: forbid, tools: ["*"], mode: shadow, when: args.subject == "x", reason: r',
    );
    const decision = set.decide(call(MAIL, ARGS));
    expect(decision.verdict).toBe("deny");
    expect(decision).not.toHaveProperty("trial");
  });

  it("cannot starve what is enforced", () => {
    const costly = "args.to.all(a, args.to.all(b, args.to.all(c, a + b != c)))";
    const many = Array.from({ length: 400 }, (_, i) => `user${i}@example.com`);
    const trial = [1, 2, 3].map(
      (i) => `id: t${i}, effect: forbid, tools: ["*"], mode: shadow, when: '${costly}', reason: r`,
    );
    const set = with_(
      ...trial,
      `id: late, effect: forbid, tools: ["*"], when: 'args.to.exists(a, a == "nobody")', reason: r`,
    );
    const decision = set.decide(call(MAIL, { ...ARGS, to: many }));
    expect(decision).toMatchObject({ verdict: "allow", errors: [] });
    expect(decision.trial?.shadow?.rules).toEqual(["t1", "t2", "t3"]);
  });
});

describe("a canary", () => {
  const set = with_('id: new, effect: forbid, tools: ["*"], canary: ["beta-*"], reason: r');

  it("is enforced for its agents", () => {
    const decision = set.decide(call(MAIL, ARGS, as("beta-1")));
    expect(decision).toMatchObject({ verdict: "deny", reasons: [{ rule: "new" }] });
    expect(decision).not.toHaveProperty("trial");
  });

  it("is in shadow for everyone else", () => {
    expect(set.decide(call(MAIL, ARGS, as("demo")))).toMatchObject({
      verdict: "allow",
      trial: { observed: [], shadow: { verdict: "deny", rules: ["new"] } },
    });
  });
});

it("explains trial rules with their mode", () => {
  const loaded = loadPolicies(
    [
      {
        file: "p.yaml",
        text: `${LIVE}
  - { id: seen, effect: forbid, tools: ["*"], mode: observe, reason: r }
  - { id: new, effect: forbid, tools: ["*"], canary: [beta], when: size(args.cc) > 1, reason: r }`,
      },
    ],
    [MAIL],
  );
  if (!loaded.ok) throw new Error("refused");
  const traced = (agent: string) =>
    loaded.set.explain(call(MAIL, ARGS, as(agent))).map(({ rule, mode, result }) => [rule, mode, result]);
  expect(traced("demo")).toEqual([
    ["all", undefined, "true"],
    ["seen", "observe", "true"],
    ["new", "shadow", "failed"],
  ]);
  expect(traced("beta")[2]).toEqual(["new", undefined, "failed"]);
  expect(loaded.set.policies.map(({ mode, canary }) => [mode, canary])).toEqual([
    ["enforce", undefined],
    ["observe", undefined],
    ["enforce", ["beta"]],
  ]);
});

describe("is refused", () => {
  const one = (fields: string) => `policies: [{ id: a, effect: forbid, reason: r, tools: ["*"], ${fields} }]`;
  it.each([
    ["mode: shadw", "`mode` cannot be `shadw`\n  help: did you mean `shadow`?"],
    ["mode: shadow, canary: [x]", "`canary` does not go with `mode: shadow`"],
    ["canary: []", "`canary` is empty"],
    ["canary: x", "`canary` must be a list"],
    ["phase: list, mode: observe", "a `list` policy has no `mode`"],
    ["phase: list, canary: [x]", "a `list` policy has no `canary`"],
  ])("%s", (fields, message) => {
    expect(refusal(one(fields)).join("\n")).toContain(message);
  });

  it("but not what says the default", () => {
    expect(load(one("phase: list, mode: enforce")).policies).toHaveLength(1);
    expect(load(one("mode: enforce, canary: [x]")).policies).toHaveLength(1);
  });
});

describe("flow is read", () => {
  const OPEN = tool("any__tool", { type: "object" });
  it.each([
    ["grounded(args.x)", true],
    ["args.l.all(x, origin(x) == [])", true],
    ["cel.bind(y, inside(args.x), size(y) > 0)", true],
    ['action == "untrusted"', true],
    ['withRole("destination").exists(d, !grounded(d))', true],
    ['withRole("destination").size() > 1', false],
    ["args.l.all(action, action == 1)", false],
    ['args.origin == "grounded"', false],
    ['args.action == "action"', false],
  ])("%s: %s", (when, reads) => {
    const set = load(`policies: [{ id: a, effect: permit, tools: ["any__*"], when: ${JSON.stringify(when)} }]`, [
      OPEN,
      MAIL,
    ]);
    expect([set.readsFlow(OPEN), set.readsFlow(MAIL), set.watchesFlow]).toEqual([reads, false, reads]);
    expect(set.readsFlow(tool("any__late"))).toBe(reads);
  });

  it("by rules on trial too", () => {
    const set = with_('id: t, effect: forbid, tools: ["*"], mode: observe, when: grounded(args.subject), reason: r');
    expect(set.readsFlow(MAIL)).toBe(true);
  });
});
