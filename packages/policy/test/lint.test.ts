import type { CallFacts, JsonObject } from "@callgate/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Finding, lintPolicies, loadPolicies, ReachMap } from "../src/index.ts";
import { call, MAIL, tool } from "./facts.ts";

const AGENTS = { demo: { roles: ["reader"] }, writer: { roles: ["author"] } };

function lint(text: string, tools = [MAIL]): readonly Finding[] {
  const linted = lintPolicies([{ file: "p.yaml", text }], { tools, agents: AGENTS, settings: { limit: 5 } });
  if (linted.ok) return linted.findings.filter(({ code }) => code !== "check");
  throw new Error(linted.diagnostics.map(({ message }) => message).join("\n"));
}

/** What is said of a policy with this condition, and where. */
function said(when: string, effect = "forbid"): string[] {
  const text = `policies:\n  - id: rule\n    effect: ${effect}\n    tools: [mail__send]\n    when: ${JSON.stringify(when)}\n    reason: because\n`;
  return lint(text).map(({ code, severity, span }) => `${severity} ${code} ${span.line}:${span.column}`);
}

describe("one condition", () => {
  it.each([
    ["false"],
    ["args.count < 5 && args.count > 10"],
    ["args.count > 5 && args.count < 6"],
    ['args.subject == "a" && args.subject == "b"'],
    ['args.subject.startsWith("ab") && !args.subject.startsWith("a")'],
    ['args.subject.startsWith("a") && args.subject.startsWith("b")'],
    ['args.subject in ["a", "b"] && !(args.subject == "a" || "b" == args.subject)'],
    ['args.priority != "low" && args.priority != "normal" && args.priority != "high"'],
    ["!has(args.note) && has(args.note)"],
    ["has(args.count) && (has(args.note) ? has(args.count) && !has(args.count) : false)"],
    ["size(args.to) > 5 && size(args.to) <= 5"],
    ["args.to.exists(a, a == 'x') && !args.to.exists(a, a == \"x\")"],
    ['1 + 1 == 3 || "x" in []'],
  ])("is never true: %s", (when) => {
    expect(said(when)).toEqual(["error never-true 5:12"]);
  });

  it.each([
    ["true"],
    ["args.count < 5 || args.count > 3"],
    ['args.subject != "a" || args.subject != "b"'],
    ['args.priority in ["low", "normal", "high"]'],
    ["has(args.note) || !has(args.note)"],
    ["args.amount <= 3.0 || args.amount > 3.0"],
  ])("is never false: %s", (when) => {
    expect(said(when)).toEqual(["warning never-false 5:12"]);
  });

  it.each([
    // Each could go either way for some call, though it looks as if it could not.
    ["args.count > 5 && args.count < 7"],
    ["args.amount > 5.0 && args.amount < 6.0"],
    ['args.subject.startsWith("a") && args.subject != "a"'],
    ['args.subject.startsWith("a") && args.subject.endsWith("b")'],
    ['args.subject.contains("ab") && !args.subject.contains("a")'],
    ['args.priority == "low" || args.priority == "high"'],
    ["args.note == null || args.note == 'x'"],
    ["settings.limit > 3"],
    ["settings.limit > 10"],
    ['"read" in tool.effects || "external" in tool.effects'],
    ["loop.repeats > 3 || session.calls > 100"],
    ['args.to.exists(a, a == "x") && !args.to.exists(b, b == "x")'],
  ])("is let be: %s", (when) => {
    expect(said(when).filter((finding) => !finding.startsWith("info"))).toEqual([]);
  });

  it("always fails", () => {
    expect(said("[1][3] == 1")).toEqual(["error always-fails 5:12"]);
  });

  it("is true for no tool that there is, as a note", () => {
    expect(said('"destructive" in tool.effects')).toEqual(["info no-such-tool-now 5:13"]);
  });
});

describe("one policy", () => {
  const permit = (more: string): string => `policies:\n  - id: rule\n    effect: permit\n${more}`;

  it("speaks to nobody", () => {
    const found = lint(permit("    tools: [mail__send]\n    roles: [raeder]\n"));
    expect(found).toMatchObject([{ code: "speaks-to-nobody", severity: "warning", help: "did you mean `reader`?" }]);
    expect(lint(permit("    tools: [mail__send]\n    roles: [reader]\n    agents: [writer]\n"))).toHaveLength(1);
    expect(lint(permit("    tools: [mail__send]\n    roles: [r*]\n"))).toEqual([]);
  });

  it("repeats a glob, at the place of the second", () => {
    const found = lint(permit('    tools: [mail__send, "mail__*", mail__send]\n'));
    expect(found.map(({ severity, span }) => [severity, span.column])).toEqual([
      ["info", 13],
      ["warning", 36],
    ]);
  });

  it("permits every call of every tool", () => {
    expect(lint(permit('    tools: ["*"]\n'))).toMatchObject([{ code: "too-broad", severity: "warning" }]);
    expect(lint(permit('    tools: ["*"]\n    agents: [demo]\n'))).toMatchObject([{ severity: "info" }]);
    expect(lint(permit('    tools: ["*"]\n    when: session.calls < 9\n'))).toEqual([]);
  });

  it("is on trial", () => {
    expect(lint(permit("    tools: [mail__send]\n    mode: shadow\n"))).toMatchObject([{ code: "on-trial" }]);
    expect(lint(permit("    tools: [mail__send]\n    canary: [nobody]\n"))).toMatchObject([
      { code: "speaks-to-nobody" },
      { code: "on-trial" },
    ]);
  });
});

/** Two policies, each `effect | tools | when | more`. */
function pair(...policies: readonly string[]): string {
  return `policies:\n${policies
    .map((line, i) => {
      const [effect = "", tools = "", when = "", more = ""] = line.split("|").map((part) => part.trim());
      const fields = [
        `id: p${i + 1}`,
        `effect: ${effect}`,
        `tools: [${JSON.stringify(tools)}]`,
        "reason: because",
        ...(when === "" ? [] : [`when: ${JSON.stringify(when)}`]),
        ...(more === "" ? [] : [more]),
      ];
      return `  - ${fields.join("\n    ")}\n`;
    })
    .join("")}`;
}

describe("two policies", () => {
  const about = (...policies: readonly string[]): string[] =>
    lint(pair(...policies)).map(({ rule, code }) => `${rule} ${code}`);

  it.each([
    ["permit | mail__send", "forbid | mail__*", "p1 overruled"],
    ["forbid | mail__send", "ask | mail__send | args.count > 3", "p2 overruled"],
    ["permit | mail__send | args.count > 9", "forbid | mail__send | args.count > 3", "p1 overruled"],
    ["permit | mail__send | args.count > 9", "permit | mail__send | args.count > 3", "p1 shadowed"],
    ["permit | mail__send", "permit | mail__send", "p2 shadowed"],
    [
      'forbid | mail__send | args.subject.startsWith("ab")',
      'forbid | mail__s* | args.subject.startsWith("a")',
      "p1 shadowed",
    ],
    [
      "permit | mail__send | args.count == 1 | agents: [demo]",
      "permit | mail__send | args.count in [1, 2]",
      "p1 shadowed",
    ],
    ["permit | mail__send | args.count == 1", "permit | mail__sen? | (args.count)==1", "p1 shadowed"],
  ])("%s; %s", (a, b, found) => {
    expect(about(a, b)).toContain(found);
  });

  it.each([
    ["permit | mail__*", "forbid | mail__send"],
    ["permit | mail__send", "forbid | mail__send | args.count > 3"],
    ["permit | mail__send", "forbid | mail__send | | agents: [demo]"],
    ["permit | mail__send", "forbid | mail__send | | mode: observe"],
    ["permit | mail__send", "forbid | mail__send | | phase: list"],
    ["permit | mail__send | args.count > 3", "permit | mail__send | args.count > 9"],
    ["permit | mail__send | args.count > 3", "permit | mail__send | args.count > 1 | agents: [demo]"],
    ["permit | mail__send | | obligations: [{ kind: cap, resultBytes: 9 }]", "permit | mail__send | size(args.to) > 1"],
    ["ask | mail__send | args.count > 9", "ask | mail__send | args.count > 3 | approve: client"],
    // Where the second fails for want of `count`, it denies: the first is no part of it.
    ['permit | mail__send | args.subject == "a"', 'permit | mail__send | args.subject == "a" && args.count < 5'],
  ])("are let be: %s; %s", (a, b) => {
    expect(about(a, b).filter((one) => /shadowed|overruled/.test(one))).not.toContain("p1 shadowed");
    expect(about(a, b).filter((one) => /overruled/.test(one))).toEqual([]);
  });

  it("differ in their tools alone", () => {
    const tools = [MAIL, tool("mail__draft", MAIL.inputSchema)];
    const text = pair("permit | mail__send | args.count > 3", "permit | mail__draft | args.count  >  3");
    expect(lint(text, tools)).toMatchObject([{ rule: "p2", code: "same-condition", severity: "info" }]);
  });
});

const SCHEMA: JsonObject = {
  type: "object",
  properties: {
    s: { type: "string" },
    e: { type: "string", enum: ["a", "ab", "b"] },
    n: { type: "integer" },
    d: { type: "number" },
    b: { type: "boolean" },
    u: { type: ["string", "number", "null"] },
    any: {},
  },
  required: ["e", "n"],
  additionalProperties: true,
};
const TRIED = tool("x__tried", SCHEMA, { effects: ["read"], arguments: {} });

const text = fc.constantFrom("", "a", "ab", "abc", "b", "c");
const number = fc.constantFrom(-1, 0, 0.5, 1, 2, 3);
const atom = fc.oneof(
  fc.tuple(fc.constantFrom("s", "e", "u", "any"), text).map(([f, t]) => `args.${f} == ${JSON.stringify(t)}`),
  fc.tuple(fc.constantFrom("s", "e"), text).map(([f, t]) => `args.${f} != ${JSON.stringify(t)}`),
  fc.tuple(fc.constantFrom("s", "e", "any"), text).map(([f, t]) => `args.${f}.startsWith(${JSON.stringify(t)})`),
  fc
    .tuple(fc.constantFrom("s", "e", "any"), fc.array(text, { maxLength: 3 }))
    .map(([f, t]) => `args.${f} in ${JSON.stringify(t)}`),
  fc
    .tuple(fc.constantFrom("n", "d", "any"), fc.constantFrom("<", "<=", ">", ">=", "==", "!="), number)
    .map(([f, op, n]) => `args.${f} ${op} ${f === "n" || Number.isInteger(n) ? Math.trunc(n) : n}`),
  fc.tuple(number, fc.constantFrom("<", ">=")).map(([n, op]) => `${Math.trunc(n)} ${op} args.n`),
  fc.constantFrom(
    "has(args.s)",
    "has(args.d)",
    "has(args.any)",
    "has(args.b)",
    "args.b",
    "args.b == true",
    "args.any == null",
  ),
  fc.constantFrom('"read" in tool.effects', '"write" in tool.effects', 'principal.agent == "demo"', "size(args.e) > 1"),
);
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    atom,
    fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} && ${b})`),
    fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} || ${b})`),
    tie("condition").map((a) => `!(${a})`),
    fc.tuple(tie("condition"), tie("condition"), tie("condition")).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
}));

const string = fc.constantFrom("", "a", "ab", "abc", "abz", "b", "bc", "c", "zz");
const amount = fc.constantFrom(-2, -1, -0.5, 0, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 1e300);
const args = fc.record(
  {
    s: string,
    e: fc.constantFrom("a", "ab", "b"),
    n: fc.constantFrom(-2, -1, 0, 1, 2, 3, 4),
    d: amount,
    b: fc.boolean(),
    u: fc.oneof(string, amount, fc.constant(null)),
    any: fc.oneof(string, amount, fc.boolean(), fc.constant(null), fc.constant([1]), fc.constant({ a: 1 })),
  },
  { requiredKeys: ["e", "n"] },
);
const calls = fc.array(args, { minLength: 40, maxLength: 40 });

const RUNS = Number(process.env["POLICY_FUZZ"] ?? 500);
const EFFECTS = fc.constantFrom("permit", "forbid", "ask");
const rule = fc.record({ effect: EFFECTS, when: fc.option(condition, { nil: undefined, freq: 6 }) });

function fileOf(rules: readonly { readonly effect: string; readonly when: string | undefined }[]): string {
  return pair(...rules.map(({ effect, when }) => `${effect} | x__tried | ${when ?? ""}`));
}

describe("what is found is so, whatever the policies and the calls", () => {
  it("of conditions, and of policies beside each other", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 3 }), calls, (rules, tried) => {
        const loaded = loadPolicies([{ file: "p.yaml", text: fileOf(rules) }], [TRIED]);
        if (!loaded.ok) return;
        const found = lint(fileOf(rules), [TRIED]);
        for (const one of tried) {
          const traces = loaded.set.explain(call(TRIED, one));
          const resultOf = (id: string | undefined) => traces.find((trace) => trace.rule === id)?.result;
          for (const { code, rule: id, message } of found) {
            const result = resultOf(id);
            const other = resultOf(/^.*`(p\d)` \(/.exec(message)?.[1]);
            seen.add(code);
            if (code === "never-true" || code === "no-such-tool-now") expect(result).not.toBe("true");
            if (code === "never-false") expect(result).not.toBe("false");
            if (code === "always-fails") expect(result).toBe("failed");
            if ((code === "shadowed" || code === "overruled") && result === "true") expect(other).toBe("true");
          }
        }
      }),
      { numRuns: RUNS },
    );
    // Else nothing was tried.
    expect([...seen]).toEqual(expect.arrayContaining(["never-true", "never-false", "shadowed", "overruled"]));
  });

  it("of who can reach a tool", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 4 }), calls, (rules, tried) => {
        const sources = [{ file: "p.yaml", text: fileOf(rules) }];
        const loaded = loadPolicies(sources, [TRIED]);
        if (!loaded.ok) return;
        const made = (one: unknown): CallFacts => call(TRIED, one);
        const { principal } = made({});
        const agent = { name: principal.agent, roles: principal.roles, scopes: principal.scopes };
        const { policies } = new ReachMap(sources, { tools: [TRIED], settings: {} }).of(agent, TRIED);
        seen.add(policies);
        for (const one of tried) {
          const { verdict } = loaded.set.decide(made(one));
          if (policies === "always") expect(verdict).toBe("allow");
          if (policies === "never") expect(verdict).toBe("deny");
          if (policies === "ask") expect(verdict).not.toBe("allow");
        }
      }),
      { numRuns: RUNS },
    );
    expect([...seen].sort()).toEqual(["always", "ask", "if", "never"]);
  });
});
