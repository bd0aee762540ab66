import type { JsonObject, ResultFacts } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { call, load, MAIL, refusal, tool } from "./facts.ts";

const OUTPUT: JsonObject = {
  type: "object",
  properties: { user: { type: "string" }, token: { type: "string" }, count: { type: "integer" } },
  required: ["user"],
};
const LOOKUP = tool(
  "crm__lookup",
  { type: "object", properties: { name: { type: "string" } }, required: ["name"] },
  {
    outputSchema: OUTPUT,
  },
);
const CALL = call(LOOKUP, { name: "ann" });
const result = (more: Partial<ResultFacts> = {}): ResultFacts => ({
  structured: { user: "ann", token: "t-1", count: 3 },
  text: "ann t-1",
  isError: false,
  bytes: 100,
  ...more,
});
const of = (...rules: string[]) =>
  load(`policies:\n${rules.map((rule) => `  - { tools: ["crm__*"], phase: result, ${rule} }\n`).join("")}`, [
    LOOKUP,
    MAIL,
  ]);
const REDACT = "obligations: [{ kind: redact, path: $.structuredContent.token }]";
const needs = (when: string) => `when: ${JSON.stringify(when)}`;

describe("a result", () => {
  it("passes where no policy speaks of it: nothing is denied by default", () => {
    const set = of('id: others, effect: forbid, reason: r, roles: ["x"]');
    expect(set.hasResultRules(LOOKUP, CALL.principal)).toBe(false);
    expect(set.decideResult(CALL, result())).toEqual({ verdict: "pass", reasons: [], errors: [], obligations: [] });
    expect(load("policies: []").hasResultRules(LOOKUP, CALL.principal)).toBe(false);
  });

  it("is blocked by a forbid that holds, whatever else does", () => {
    const set = of(
      `id: hide, effect: permit, ${REDACT}`,
      `id: no-keys, effect: forbid, ${needs('result.text.contains("t-1")')}, reason: it holds a key, remedy: ask for less`,
      `id: other, effect: forbid, ${needs("result.isError")}, reason: r`,
    );
    expect(set.hasResultRules(LOOKUP, CALL.principal)).toBe(true);
    expect(set.decideResult(CALL, result())).toEqual({
      verdict: "block",
      reasons: [{ rule: "no-keys", message: "it holds a key", remedy: "ask for less" }],
      errors: [],
      obligations: [],
    });
  });

  it("passes with the obligations of every permit that holds", () => {
    const set = of(
      `id: hide, effect: permit, ${needs("has(result.structured)")}, ${REDACT}`,
      `id: mark, effect: permit, ${needs('principal.agent == "demo" && args.name == "ann"')}, obligations: [{ kind: label, label: private }]`,
      `id: other, effect: permit, ${needs("result.bytes > 1000")}, obligations: [{ kind: notify, channel: x }]`,
    );
    expect(set.decideResult(CALL, result())).toMatchObject({
      verdict: "pass",
      reasons: [],
      obligations: [
        { kind: "redact", target: "result", path: "$.structuredContent.token", rule: "hide" },
        { kind: "label", label: "private", rule: "mark" },
      ],
    });
  });

  it.each(["permit", "forbid"])("is blocked when a %s fails", (effect) => {
    const set = of(
      `id: fails, effect: ${effect}, ${needs("result.structured.count > 1")}, ${effect === "permit" ? REDACT : "reason: r"}`,
    );
    const decision = set.decideResult(CALL, result({ structured: { user: "ann" } }));
    expect(decision).toMatchObject({
      verdict: "block",
      reasons: [{ rule: "fails" }],
      errors: [{ rule: "fails", message: "no such key: `count`" }],
    });
    expect(JSON.stringify(decision.reasons)).not.toContain("count");
  });

  it("has every fact it should have", () => {
    const when = `principal.agent == "demo" && tool.name == "lookup" && args.name == "ann" && session.calls == 3
      && time - session.started == duration("30m") && result.structured.user == "ann" && result.bytes == 100 && !result.isError
      && result.text.matches("t-[0-9]") && withRole("target") == []`;
    const set = of(`id: a, effect: forbid, ${needs(when)}, reason: r`);
    expect(set.decideResult(CALL, result())).toMatchObject({ verdict: "block", errors: [] });
  });

  it("of a tool without an output schema may be anything", () => {
    const when = needs("has(result.structured.x) && result.structured.x == 1");
    const set = load(`policies: [{ id: a, phase: result, effect: forbid, tools: ["mail__*"], ${when}, reason: r }]`);
    expect(set.decideResult(call(MAIL, {}), result({ structured: { x: 1 } })).verdict).toBe("block");
  });

  it("has a trial of its own", () => {
    const set = of(
      "id: seen, effect: forbid, mode: observe, reason: r",
      `id: hide, effect: permit, mode: shadow, ${REDACT}`,
      `id: new, effect: forbid, canary: [beta], ${needs("result.bytes > 500")}, reason: r`,
    );
    const small = set.decideResult(CALL, result());
    expect(small).toMatchObject({ verdict: "pass", obligations: [] });
    expect(small.trial).toEqual({ observed: ["seen"], shadow: { verdict: "pass", rules: ["hide"] } });
    expect(set.decideResult(CALL, result({ bytes: 900 })).trial?.shadow).toEqual({ verdict: "block", rules: ["new"] });
    const beta = { ...CALL, principal: { ...CALL.principal, agent: "beta" } };
    expect(set.decideResult(beta, result({ bytes: 900 })).verdict).toBe("block");
  });

  it("has no part in deciding the call, nor the other way round", () => {
    const set = of("id: no, effect: forbid, reason: r");
    expect(set.decide(CALL).reasons.map((r) => r.rule)).toEqual(["callgate/default-deny"]);
    expect(
      load(`policies: [{ id: a, effect: forbid, tools: ["*"], reason: r }]`).decideResult(CALL, result()).verdict,
    ).toBe("pass");
  });
});

describe("is refused", () => {
  const one = (fields: string) => `policies: [{ id: a, phase: result, tools: ["crm__lookup"], ${fields} }]`;
  it.each<[string, string]>([
    ["effect: ask, reason: r", "a `result` policy cannot be `ask`\n  help: the call has happened"],
    ["effect: permit", "a `result` policy that permits has no `obligations`"],
    ["effect: permit, obligations: []", "`obligations` is empty"],
    ["effect: permit, obligations: [{ kind: redact, target: args, path: $.x }]", "`target: args` comes too late"],
    ["effect: permit, obligations: [{ kind: rewrite, path: $.x, value: 1 }]", "`rewrite` comes too late"],
    ["effect: permit, obligations: [{ kind: clamp, path: $.x, max: 1 }]", "`clamp` comes too late"],
    ["effect: permit, obligations: [{ kind: cap, callsPerMinute: 1 }]", "`callsPerMinute` comes too late"],
    [`effect: forbid, reason: r, ${needs("result.structured.tokn == 1")}`, "`result.structured` has no field `tokn`"],
    [`effect: forbid, reason: r, ${needs("result.structured.count == true")}`, "`==`"],
    [`effect: forbid, reason: r, ${needs("loop.repeats > 1")}`, "policies of the `call` phase alone know `loop`"],
    [`effect: forbid, reason: r, ${needs("grounded(args.name)")}`, "`grounded` is unknown to a `result` policy"],
  ])("%s", (fields, message) => {
    expect(refusal(one(fields), [LOOKUP]).join("\n")).toContain(message);
  });

  it("a call policy that reads a result", () => {
    expect(refusal(`policies: [{ id: a, effect: permit, tools: ["mail__send"], when: result.isError }]`)).toEqual([
      "policies/test.yaml:1:66: unknown fact `result`\n  help: policies of the `result` phase alone know what a tool returned",
    ]);
  });
});
