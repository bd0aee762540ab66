import { formatDiagnostic } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { loadPolicies } from "../src/index.ts";
import { MAIL, permit, refusal, tool } from "./facts.ts";

const one = (fields: string): string =>
  `policies:\n  - id: a-rule\n    effect: permit\n    tools: ["mail__send"]\n${fields}`;

describe("a file that is refused", () => {
  it.each<[string, string, string]>([
    [
      "a field that the tool has not",
      '    when: args.subjct == "x"\n',
      "policies/test.yaml:5:16: `args` has no field `subjct`\n  help: did you mean `subject`?",
    ],
    [
      "a field in has()",
      "    when: has(args.ccc)\n",
      "policies/test.yaml:5:20: `args` has no field `ccc`\n  help: did you mean `cc`?",
    ],
    [
      "a nested field",
      '    when: has(args.meta) && args.meta.tread == "x"\n',
      "policies/test.yaml:5:39: `args.meta` has no field `tread`\n  help: did you mean `thread`?",
    ],
    [
      "a type error",
      "    when: args.subject > 3\n",
      "policies/test.yaml:5:11: `>` does not take a string and an int\n  help: convert one side with `string(…)`, or drop the quotes",
    ],
    [
      "a double and an int multiplied",
      "    when: args.amount * 2 > 3\n",
      "policies/test.yaml:5:11: `*` does not take a double and an int\n  help: write `2.0`",
    ],
    [
      "an unknown fact",
      '    when: arg.subject == "x"\n',
      "policies/test.yaml:5:11: unknown fact `arg`\n  help: did you mean `args`?",
    ],
    [
      "an unknown function",
      '    when: args.subject.startWith("x")\n',
      "policies/test.yaml:5:24: unknown function `startWith`\n  help: did you mean `startsWith`?",
    ],
    [
      "a rule that is no condition",
      "    when: args.subject\n",
      "policies/test.yaml:5:11: `when` must be a bool, but this is a string\n  help: a rule is a condition: compare something, or ask `has(…)`",
    ],
    [
      "a syntax error",
      '    when: args.subject = "x"\n',
      "policies/test.yaml:5:24: unexpected character `=`\n  help: write `==` to compare",
    ],
    [
      "an invalid pattern",
      '    when: args.subject.matches("(?<=a)b(")\n',
      "policies/test.yaml:5:11: this call can only fail: the pattern is not valid RE2 (it has no lookaround and no backreferences)",
    ],
    [
      "an invalid range",
      '    when: cidr("10.0.0.0").containsIP(args.subject)\n',
      "policies/test.yaml:5:11: this call can only fail: the text is not an address range such as `10.0.0.0/8`",
    ],
    [
      "an unknown key",
      '    wen: "true"\n',
      "policies/test.yaml:5:5: unknown field `wen` in a policy\n  help: did you mean `when`?",
    ],
    [
      "an unknown label",
      "    obligations: [{ kind: label, label: privat }]\n",
      "policies/test.yaml:5:41: unknown label `privat`\n  help: did you mean `private`?",
    ],
    [
      "a path that is none",
      "    obligations: [{ kind: redact, path: 'user.email' }]\n",
      "policies/test.yaml:5:41: `user.email` is not a path\n  help: write for example `$.user.email` or `$.items[*].token`",
    ],
    [
      "an unknown obligation",
      "    obligations: [{ kind: redakt }]\n",
      "policies/test.yaml:5:27: unknown obligation `redakt`\n  help: did you mean `redact`?",
    ],
  ])("%s", (_, fields, text) => {
    expect(refusal(one(fields))).toEqual([text]);
  });

  it("points into block scalars, over their lines", () => {
    const text = one('    when: |\n      args.subject == "x" ||\n      args.amont > 3\n');
    expect(refusal(text)).toEqual([
      "policies/test.yaml:7:12: `args` has no field `amont`\n  help: did you mean `amount`?",
    ]);
    const folded = one('    when: >-\n      args.subject == "x" ||\n      args.amont > 3\n');
    expect(refusal(folded)).toEqual([
      "policies/test.yaml:7:12: `args` has no field `amont`\n  help: did you mean `amount`?",
    ]);
  });

  it("points into quoted scalars, past their escapes", () => {
    expect(refusal(one('    when: "args.subject == \\"x\\" || args.amont > 3"\n'))[0]).toMatch(
      /^policies\/test.yaml:5:42: /,
    );
    expect(refusal(one("    when: 'args.subject == ''x'' || args.amont > 3'\n"))[0]).toMatch(
      /^policies\/test.yaml:5:42: /,
    );
  });

  it("names the tool when a rule covers several", () => {
    const other = tool("mail__draft", {
      type: "object",
      properties: { title: { type: "string" } },
      additionalProperties: false,
    });
    const text = `policies: [{ id: a, effect: permit, tools: ["mail__*"], when: 'args.subject == "x"' }]`;
    expect(refusal(text, [MAIL, other])).toEqual([
      expect.stringContaining("`args` has no field `subject` (for tool `mail__draft`)"),
    ]);
  });

  it("matches no tool", () => {
    const text = `policies: [{ id: a, effect: permit, tools: ["mail__sent"] }]`;
    expect(refusal(text)).toEqual([
      "policies/test.yaml:1:45: the policy matches no tool: `mail__sent` is no tool's name\n  help: did you mean `mail__send`?",
    ]);
  });

  it("repeats an id, over files", () => {
    const file = (name: string) => ({ file: name, text: one("") });
    const loaded = loadPolicies([file("a.yaml"), file("b.yaml")], [MAIL]);
    expect(loaded).toMatchObject({
      ok: false,
      diagnostics: [{ message: "the id `a-rule` is taken", span: { file: "b.yaml", line: 2 } }],
    });
  });

  it.each([
    ["policies: [{ effect: permit, tools: [x] }]", "the policy has no `id`"],
    ["policies: [{ id: a, tools: [x] }]", "the policy has no `effect`"],
    ["policies: [{ id: a, effect: permit }]", "the policy has no `tools`"],
    ["policies: [{ id: a, effect: permit, tools: [] }]", "`tools` is empty"],
    ["policies: [{ id: a, effect: forbid, tools: ['*'] }]", "the policy has no `reason`"],
    ["policies: [{ id: a, effect: permit, tools: ['*'], approve: client }]", "`approve` does not apply to `permit`"],
    [
      "policies: [{ id: a, effect: forbid, reason: r, tools: ['*'], obligations: [] }]",
      "`obligations` do not apply to `forbid`",
    ],
    ["policies: [{ id: a, effect: permit, tools: ['*'], phase: list }]", "a `list` policy cannot be `permit`"],
    ["policies: [{ id: Not OK, effect: permit, tools: ['*'] }]", "the id `Not OK` is malformed"],
    ["policies: {", "flow map in block collection"],
    ["policy: []", "unknown field `policy` in a policy file"],
    ["policies: [7]", "a policy must be a mapping"],
  ])("%s", (text, message) => {
    expect(refusal(text).join("\n")).toContain(message);
  });
});

describe("a file that is accepted", () => {
  const warningsOf = (when: string): string[] => {
    const loaded = loadPolicies([{ file: "p.yaml", text: permit(when) }], [MAIL]);
    return loaded.ok
      ? loaded.warnings.map(formatDiagnostic)
      : [`refused: ${loaded.diagnostics.map(formatDiagnostic).join()}`];
  };

  it("is warned of a read that may be absent", () => {
    expect(warningsOf("size(args.cc) > 1")[0]).toContain("`args.cc` may be absent");
    expect(warningsOf("has(args.cc) && size(args.cc) > 1")).toEqual([]);
    expect(warningsOf("args.?cc.orValue([]).size() > 1")).toEqual([]);
  });

  it("is warned of a value that never is", () => {
    expect(
      warningsOf('args.?priority == optional.of("x") || has(args.priority) && args.priority == "urgent"')[0],
    ).toContain('this is never "urgent"');
    expect(warningsOf('"destructiv" in tool.effects')[0]).toContain("did you mean `destructive`?");
  });

  it("may leave fields open, compare numbers of any type, and look at nullable ones", () => {
    for (const when of [
      "has(args.amount) && args.amount > 100 && args.amount * 2.0 < 1e9",
      "has(args.count) && args.count % 2 == 0 && args.count < 2.5",
      "has(args.note) && args.note != null && args.note.contains('x')",
      "has(args.meta) && args.meta.thread.size() == 3",
    ]) {
      expect(warningsOf(when)).toEqual([]);
    }
  });

  it("lists its policies and has a digest of its sources", () => {
    const loaded = loadPolicies([{ file: "p.yaml", text: permit("true") }], [MAIL]);
    const other = loadPolicies([{ file: "p.yaml", text: permit("false") }], [MAIL]);
    if (!loaded.ok || !other.ok) throw new Error("refused");
    expect(loaded.set.policies).toEqual([
      {
        id: "rule",
        file: "p.yaml",
        line: 2,
        effect: "permit",
        tools: ["*"],
        phase: "call",
        mode: "enforce",
        conditional: true,
      },
    ]);
    expect(loaded.set.digest).not.toBe(other.set.digest);
  });
});
