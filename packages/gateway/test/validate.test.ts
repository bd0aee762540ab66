import { type JsonObject, parseJson } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { compileSchema } from "../src/validate.ts";

/** What is wrong with a JSON text under a schema for its member `n`. */
function faultOf(schema: JsonObject, n: string, more: JsonObject = {}): string | undefined {
  const check = compileSchema({ type: "object", properties: { n: schema }, required: ["n"], ...more }, "arguments");
  return check(parseJson(`{"n":${n}}`))?.told;
}

const EDGE = 2 ** 53;

describe("whole numbers beyond 2^53 under a schema", () => {
  it.each([
    [{ type: "integer" }, "9007199254740993"],
    [{ type: "number" }, "9007199254740993"],
    [{ type: ["string", "integer"] }, "-9007199254740993"],
    [{}, `1${"0".repeat(300)}`],
    [{ maximum: EDGE }, "9007199254740992"],
    [{ maximum: EDGE + 2 }, "9007199254740993"],
    [{ exclusiveMaximum: EDGE + 2 }, "9007199254740993"],
    [{ minimum: EDGE }, "9007199254740993"],
    [{ exclusiveMinimum: EDGE }, "9007199254740993"],
    [{ multipleOf: 3 }, "9007199254740993"],
    [{ multipleOf: 0.5 }, "9007199254740993"],
    [{ type: "array", items: { $ref: "#/$defs/id" } }, "[9007199254740993, 1]"],
    [{ enum: [EDGE, "x"] }, "9007199254740992"],
    [{ anyOf: [{ maximum: 5 }, { minimum: EDGE }] }, "9007199254740993"],
  ] as [JsonObject, string][])("%j admits %s", (schema, n) => {
    expect(faultOf(schema, n, { $defs: { id: { type: "integer", minimum: 1 } } })).toBeUndefined();
  });

  it.each([
    [{ type: "string" }, "9007199254740993", "`arguments.n` must be string"],
    [{ type: "boolean" }, "9007199254740993", "must be boolean"],
    [{ maximum: EDGE }, "9007199254740993", "`arguments.n` must be <= 9007199254740992"],
    [{ maximum: 100 }, "9007199254740993", "must be <= 100"],
    [{ exclusiveMaximum: EDGE + 2 }, "9007199254740994", "must be < 9007199254740994"],
    [{ minimum: -EDGE }, "-9007199254740993", "must be >= -9007199254740992"],
    [{ exclusiveMinimum: EDGE }, "9007199254740992", "must be > 9007199254740992"],
    [{ multipleOf: 2 }, "9007199254740993", "must be multiple of 2"],
    [{ type: "array", items: { maximum: EDGE } }, "[1, 9007199254740993]", "`arguments.n.1` must be <="],
    [{ not: { type: "integer" } }, "9007199254740993", "must NOT be valid"],
    [{ enum: [1, 2] }, "9007199254740993", "must be equal to one of the allowed values: [1,2]"],
    [{ const: 5 }, "9007199254740993", "must be equal to constant"],
    [{ anyOf: [{ maximum: 5 }, { maximum: EDGE }] }, "9007199254740993", "must "],
    // The other members are checked as ever.
    [{ type: "array", items: { maximum: 5 } }, "[9, 1]", "`arguments.n.0` must be <= 5"],
    [{ type: "object", properties: { a: { maximum: 5 } } }, '{"b":9007199254740993,"a":6}', "must be <= 5"],
  ] as [JsonObject, string, string][])("%j refuses %s", (schema, n, fault) => {
    expect(faultOf(schema, n)).toContain(fault);
    expect(faultOf(schema, n, { $schema: "http://json-schema.org/draft-07/schema#" })).toContain(fault);
  });

  it("sees them at the top, where a result is a bare number", () => {
    const check = compileSchema({ type: "integer", maximum: EDGE }, "structuredContent");
    expect(check(parseJson("9007199254740992"))).toBeUndefined();
    expect(check(parseJson("9007199254740993"))?.told).toContain("must be <= 9007199254740992");
  });

  it("does not change the value it checks", () => {
    const value = parseJson('{"n":[9007199254740993]}');
    compileSchema({ type: "object", properties: { n: { type: "array" } } }, "arguments")(value);
    expect(value).toEqual({ n: [9007199254740993n] });
  });
});

describe("what is kept of a fault", () => {
  const open = { type: "object", additionalProperties: { type: "array", items: { maximum: 5 } } } as const;
  const closed = { type: "object", properties: { "a/b": { type: "string" } }, additionalProperties: false } as const;

  it.each([
    [open, { "sk-1": [9] }, "`arguments.sk-1.0` must be <= 5", "`arguments.*.0` must be <= 5"],
    [closed, { "a/b": 1 }, "`arguments.a~1b` must be string", "`arguments.a~1b` must be string"],
    [closed, { "sk-1": 1 }, "must NOT have additional properties: `sk-1`", "must NOT have additional properties"],
  ] as [JsonObject, object, string, string][])("under %j has no name that %j made up", (schema, args, told, kept) => {
    const fault = compileSchema(schema, "arguments")(args);
    expect(fault?.told).toContain(told);
    expect(fault?.kept.endsWith(kept)).toBe(true);
  });
});
