import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CallgateError, formatDiagnostic, isObject, jsonDepth, messageOf } from "../src/index.ts";

function nested(depth: number): unknown {
  let value: unknown = "leaf";
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [1, value] : { a: 1, b: value };
  return value;
}

function plainDepth(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(plainDepth));
}

describe("jsonDepth", () => {
  test("a scalar is 0, an empty container 1", () => {
    for (const scalar of [null, 1, "x", true]) expect(jsonDepth(scalar, 10)).toBe(0);
    expect(jsonDepth([], 10)).toBe(1);
    expect(jsonDepth({}, 10)).toBe(1);
  });

  test.each([1, 2, 63, 64])("%i levels are counted, and are within a limit of 64", (depth) => {
    expect(jsonDepth(nested(depth), 64)).toBe(depth);
  });

  test("anything deeper is over the limit, however deep, without a stack overflow", () => {
    for (const depth of [65, 66, 1000, 200_000]) expect(jsonDepth(nested(depth), 64)).toBe(65);
  });

  test("a deep branch beside shallow ones is found wherever it stands", () => {
    expect(jsonDepth([[], nested(5), []], 64)).toBe(6);
    expect(jsonDepth({ a: 1, z: nested(64) }, 64)).toBe(65);
  });

  test("property: exact up to the limit, limit + 1 past it", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 0, max: 10 }), (value, limit) => {
        expect(jsonDepth(value, limit)).toBe(Math.min(plainDepth(value), limit + 1));
      }),
    );
  });
});

describe("isObject", () => {
  test("is true for objects alone", () => {
    expect(isObject({})).toBe(true);
    expect(isObject(Object.create(null))).toBe(true);
    for (const other of [null, undefined, [], "x", 1, () => 1]) expect(isObject(other)).toBe(false);
  });
});

describe("errors", () => {
  test("a diagnostic is its place, its message, and its help on a line of its own", () => {
    expect(formatDiagnostic({ message: "unknown key `servr`" })).toBe("unknown key `servr`");
    expect(
      formatDiagnostic({
        message: "unknown key `servr`",
        span: { file: "callgate.yaml", line: 3, column: 1 },
        help: "did you mean `servers`?",
      }),
    ).toBe("callgate.yaml:3:1: unknown key `servr`\n  help: did you mean `servers`?");
  });

  test("an error keeps its code, help, cause and diagnostics", () => {
    const cause = new Error("inner");
    const error = new CallgateError("X_FAILED", "it failed", {
      help: "try again",
      cause,
      diagnostics: [{ message: "m" }],
    });
    expect(error).toMatchObject({ code: "X_FAILED", message: "it failed", help: "try again", cause });
    expect(error.diagnostics).toEqual([{ message: "m" }]);
    expect("cause" in new CallgateError("X", "m")).toBe(false);
  });

  test("any thrown value has a message", () => {
    expect(messageOf(new Error("m"))).toBe("m");
    expect(messageOf("text")).toBe("text");
    expect(messageOf(undefined)).toBe("undefined");
  });
});
