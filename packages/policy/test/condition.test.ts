import { describe, expect, it } from "vitest";
import { compileCondition } from "../src/index.ts";

const SCHEMA = {
  type: "object",
  properties: {
    seq: { type: "integer" },
    ms: { type: "number" },
    kind: { enum: ["intent", "outcome"] },
    tool: { type: "object", properties: { server: { type: "string" } }, required: ["server"] },
    detail: { type: "object", additionalProperties: true },
  },
  required: ["seq", "kind"],
};
const compile = (text: string) => compileCondition(text, "record", SCHEMA, "--where");
const outcome = (text: string, value: unknown) => {
  const compiled = compile(text);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.diagnostics));
  return compiled.evaluate(value);
};

describe("compileCondition", () => {
  it.each([
    ["record.ms > 500 && record.tool.server == 'mail'", true],
    ["record.ms > 500.5 || record.seq == 2", true],
    ["has(record.detail) && record.detail.x == 1", false],
    ["record.tool.server.matches('^f')", false],
  ])("says whether `%s` holds", (text, holds) => {
    expect(outcome(text, { seq: 2, kind: "outcome", ms: 501, tool: { server: "mail" } })).toEqual({ ok: true, holds });
  });

  it("tells an absent field from what cannot be evaluated", () => {
    expect(outcome("record.ms > 5", { seq: 1, kind: "intent" })).toMatchObject({ ok: false, absent: true });
    expect(outcome("record.detail.x > 5", { seq: 1, kind: "intent", detail: { x: "a" } })).toMatchObject({
      ok: false,
      absent: false,
    });
  });

  it("ends what would take too long", () => {
    const list = Array.from({ length: 1000 }, (_, i) => i);
    const text = "record.detail.list.all(a, record.detail.list.all(b, a + b >= 0))";
    expect(outcome(text, { seq: 1, kind: "intent", detail: { list } })).toMatchObject({
      ok: false,
      message: "the evaluation went over its cost limit",
    });
  });

  it.each([
    ["record.tol.server == 'a'", "`record` has no field `tol`", "did you mean `tool`?", 8],
    ["true ||\n record.seq + 'a' == 1", "`+` does not take", undefined, 2],
    ["record.seq", "a condition must be a bool, but this is an int", "compare something, or ask `has(…)`", 1],
    ["record.seq >", "", undefined, undefined],
    ["rec.seq > 1", "unknown fact `rec`", undefined, 1],
  ])("refuses `%s`", (text, message, help, column) => {
    const compiled = compile(text);
    expect(compiled.ok).toBe(false);
    const [first] = compiled.ok ? [] : compiled.diagnostics;
    expect(first?.message).toContain(message);
    expect(first?.span?.file).toBe("--where");
    if (help !== undefined) expect(first?.help).toBe(help);
    if (column !== undefined) expect(first?.span?.column).toBe(column);
  });
});
