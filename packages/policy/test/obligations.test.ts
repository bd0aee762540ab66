import { describe, expect, it } from "vitest";
import { newEffort, redactMatches } from "../src/index.ts";
import { call, load, MAIL, refusal } from "./facts.ts";

const of = (obligation: string) =>
  `policies: [{ id: a, effect: permit, tools: ["mail__send"], obligations: [${obligation}] }]`;

describe("an obligation is taken", () => {
  it.each<[string, object]>([
    [
      "{ kind: redact, path: '$.content[*].text', pattern: 'sk-[a-z]+' }",
      { kind: "redact", target: "result", path: "$.content[*].text", pattern: "sk-[a-z]+" },
    ],
    ["{ kind: redact, path: $.subject, target: args }", { kind: "redact", target: "args", path: "$.subject" }],
    ["{ kind: redact, path: $, pattern: x }", { kind: "redact", target: "result", path: "$", pattern: "x" }],
    ["{ kind: cap, resultBytes: 5 }", { kind: "cap", resultBytes: 5 }],
    ["{ kind: cap, callsPerMinute: 5 }", { kind: "cap", callsPerMinute: 5 }],
    ["{ kind: cap, resultBytes: 9, callsPerMinute: 5 }", { kind: "cap", resultBytes: 9, callsPerMinute: 5 }],
    ["{ kind: clamp, path: $.amount, max: 10.5 }", { kind: "clamp", path: "$.amount", max: 10.5 }],
    ["{ kind: clamp, path: $.amount, min: -1, max: -1 }", { kind: "clamp", path: "$.amount", min: -1, max: -1 }],
    ["{ kind: label, label: secret }", { kind: "label", label: "secret" }],
  ])("%s", (text, obligation) => {
    const decision = load(of(text)).decide(call(MAIL, {}));
    expect(decision.obligations).toEqual([{ ...obligation, rule: "a" }]);
  });
});

describe("an obligation is refused", () => {
  it.each([
    ["{ kind: cap }", "`cap` caps nothing\n  help: add `resultBytes`, `callsPerMinute` or both"],
    ["{ kind: cap, resultBytes: 0 }", "`resultBytes` must be a positive number of bytes"],
    ["{ kind: cap, callsPerMinute: 1.5 }", "`callsPerMinute` must be a positive whole number"],
    ["{ kind: cap, callsPerMinute: many, resultBytes: 5 }", "`callsPerMinute` must be a positive whole number"],
    ["{ kind: clamp, path: $.amount }", "`clamp` bounds nothing"],
    ["{ kind: clamp, max: 1 }", "`clamp` has no `path`"],
    ["{ kind: clamp, path: $.amount, min: 2, max: 1 }", "`min` is more than `max`"],
    ["{ kind: clamp, path: $.amount, min: '2' }", "`min` must be a number"],
    ["{ kind: clamp, path: $.amount, max: .inf }", "`max` must be a number"],
    ["{ kind: clamp, path: $.amount, max: 9007199254740993 }", "`max` must be a number, exact in a double"],
    ["{ kind: redact, path: $.x, pattern: '(?<=a)b' }", "the pattern is not valid RE2"],
    ["{ kind: redact, path: $.x, pattern: 'a*' }", "the pattern matches the empty text"],
    ["{ kind: redact, path: $.x, max: 1 }", "`max` does not belong to `redact`"],
    ["{ kind: redact, path: $ }", "`$` cannot be a text, which is what redaction leaves"],
    ["{ kind: redact, path: $.structuredContent }", "`$.structuredContent` cannot be a text"],
    ["{ kind: redact, path: '$.content[*]' }", "`$.content[*]` cannot be a text"],
  ])("%s", (text, message) => {
    expect(refusal(of(text)).join("\n")).toContain(message);
  });
});

describe("taking out what a pattern matches", () => {
  it("replaces every match, and nothing else", () => {
    expect(redactMatches("key sk-abc, key sk-d.", "sk-[a-z]+", "#", newEffort())).toBe("key #, key #.");
    expect(redactMatches("😀 é sk-abc 😀", "sk-[a-z]+", "$&", newEffort())).toBe("😀 é $& 😀");
    expect(redactMatches("nothing", "sk-[a-z]+", "#", newEffort())).toBe("nothing");
    expect(redactMatches("abc", "b*", "#", newEffort())).toBe("a#c");
  });

  it("counts the effort over all texts together", () => {
    const effort = newEffort();
    const text = "word ".repeat(100_000);
    const all = () => {
      for (let i = 0; i < 100; i++) redactMatches(text, "sk-[a-z]+", "#", effort);
    };
    expect(all).toThrow(RangeError);
  });

  it.each([
    ["a long search", "(a|aa|a?){100}b", "a".repeat(2_000_000)],
    // Each search is linear, and there would be one for each character.
    ["many long searches", "a(?:.*b)?", "a".repeat(2_000_000)],
  ])("gives up on %s in bounded time, and says so", (_, pattern, text) => {
    expect(() => redactMatches(text, pattern, "#", newEffort())).toThrow(RangeError);
  });
});
