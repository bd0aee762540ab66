import { describe, expect, it } from "vitest";
import { compileRedaction, type RedactRule } from "../src/record-redaction.ts";

const seen = (rules: readonly RedactRule[], value: unknown, tool = "crm__find"): unknown =>
  JSON.parse(compileRedaction(rules)(tool, JSON.stringify(value)));

describe("redaction of what is recorded", () => {
  it.each<[string, RedactRule[], unknown, unknown]>([
    [
      "a whole value",
      [{ path: "$.user.password" }],
      { user: { password: "x", name: "a" } },
      { user: { password: "[redacted]", name: "a" } },
    ],
    [
      "values of a name anywhere, whatever they are",
      [{ path: "$..token" }],
      { a: [{ token: { b: 1 } }], token: 7 },
      { a: [{ token: "[redacted]" }], token: "[redacted]" },
    ],
    [
      "parts of every text",
      [{ pattern: "\\d{3}-\\d{2}-\\d{4}" }],
      { a: ["ssn 123-45-6789, 123-45-6780"], n: 1 },
      { a: ["ssn [redacted], [redacted]"], n: 1 },
    ],
    [
      "parts of one value, and of what is in it",
      [{ path: "$.a", pattern: "x+" }],
      { a: { b: "axxb" }, c: "x" },
      { a: { b: "a[redacted]b" }, c: "x" },
    ],
    [
      "what several rules name",
      [{ path: "$.a" }, { pattern: "secret" }],
      { a: 1, b: "a secret" },
      { a: "[redacted]", b: "a [redacted]" },
    ],
    ["nothing in another tool", [{ path: "$.a", tools: ["mail__*"] }], { a: 1 }, { a: 1 }],
  ])("takes out %s", (_, rules, value, expected) => {
    expect(seen(rules, value)).toEqual(expected);
  });

  it("leaves a text as it is, to the byte, where it takes nothing out", () => {
    const text = '{"b": 12345678901234567890, "a":1}';
    expect(compileRedaction([{ path: "$.c" }])("t", text)).toBe(text);
    expect(compileRedaction([])("t", "no JSON")).toBe("no JSON");
  });

  it("keeps every digit of what it leaves", () => {
    const text = '{"id":9007199254740993,"key":"sk-1"}';
    expect(compileRedaction([{ path: "$.key" }])("t", text)).toBe('{"id":9007199254740993,"key":"[redacted]"}');
  });

  it("does not leave a pattern's time to whoever writes the text", () => {
    const text = JSON.stringify({ a: "a".repeat(50_000) });
    expect(compileRedaction([{ pattern: "(a|aa)+$x" }])("t", text)).toBe(text);
  });

  it.each<[RedactRule]>([[{ path: "a.b" }], [{ path: "$.a[?(@.b)]" }], [{ pattern: "(" }], [{ pattern: "(?=x)" }]])(
    "refuses %j",
    (rule) => {
      expect(() => compileRedaction([rule])).toThrow();
    },
  );
});
