import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SessionFlow } from "../src/index.ts";

const PAGE = { tool: "web__get", labels: ["untrusted"], flow: { untrusted: "all" } } as const;
const RECORD = { ...PAGE, flow: { untrusted: "prose", text: "record" } } as const;
const SIZE = 1_000_000;

describe("texts made to be slow", () => {
  it.each(["a1 ", "1", "a.", "a-", "a@a.", "www.", "please ", "\n", "may 1 to ", "to-do, ", "a:\n", "- ", "[", "%41"])(
    "are read to the end: many `%s`",
    (piece) => {
      // A search that goes quadratic does not come back within the limit of the test.
      const flow = new SessionFlow();
      const text = piece.repeat(300_000 / piece.length);
      flow.observe(PAGE, `${text} eve@evil.example`);
      expect(flow.originsOf("eve@evil.example")).toContain("untrusted");
      expect(Object.keys(flow.facts("send", { body: text }).origins)).toContain(text);
    },
  );

  const half = SIZE / 2;
  it.each<[string, unknown]>([
    ["a long password", { password: "a".repeat(SIZE) }],
    ["a password of letters and digits", { password: "a1".repeat(half) }],
    ["a long number of a step", `step ${"1".repeat(SIZE)}`],
    ["slashes", `${"/".repeat(SIZE)}x`],
    ["empty lines in a value", `a: b${"\n".repeat(SIZE)}  c`],
    ["a quoted value over many lines", `a: 'x${"\nx".repeat(half)}`],
    ["a quoted value of quotes", `a: '${"'\n".repeat(half)}`],
    ["long names, nested", nested(60, Array(20_000).fill("x"), "k".repeat(15_000))],
    ["encoded pieces", "aGVsbG8gd29ybGQh ".repeat(SIZE / 17)],
  ])("are read to the end: %s", (_, value) => {
    for (const observed of [RECORD, PAGE]) {
      const flow = new SessionFlow();
      flow.observe(observed, value);
      flow.observe(PAGE, "see eve@evil.example");
      const text = typeof value === "string" ? value : JSON.stringify(value);
      expect(Object.keys(flow.facts("send", { text, to: "eve@evil.example" }).origins)).toContain(text);
    }
  });
});

function nested(depth: number, inner: unknown, key?: string): unknown {
  let value = inner;
  for (let i = 0; i < depth; i++) value = key === undefined ? [value] : { [key]: value };
  return value;
}

describe("a result that cannot be read", () => {
  const circle: unknown[] = [];
  circle.push({ circle });
  const getter = Object.defineProperty({}, "a", {
    enumerable: true,
    get: () => {
      throw new Error("no");
    },
  });

  it.each<[string, unknown]>([
    ["holds itself", circle],
    ["throws", getter],
  ])("makes the facts fail for good, and carries every label: one that %s", (_, value) => {
    const flow = new SessionFlow();
    expect(() => flow.observe(PAGE, value)).not.toThrow();
    flow.observe(PAGE, "all is well");
    flow.task("Write to ann@corp.example");
    expect(() => flow.facts("send", {})).toThrow(/could not be read/);
    expect(flow.labels).toEqual(["untrusted", "private", "secret"]);
  });

  it("is none that is only nested deeply, or written to confuse", () => {
    for (const value of [
      nested(200_000, "eve@evil.example"),
      nested(50_000, "eve@evil.example", "a"),
      `${"[".repeat(200_000)}"eve@evil.example"${"]".repeat(200_000)}`,
      `${"[".repeat(20_000)}12345678901234567890,"eve@evil.example"${"]".repeat(20_000)}`,
      `${"-\n- a\n".repeat(100_000)}- eve@evil.example`,
      "{{'toString': 1, 'valueOf': 1}: 'eve@evil.example'}",
      "['\\U-0000001', 'eve@evil.example']",
    ])
      for (const observed of [PAGE, RECORD]) {
        const flow = new SessionFlow();
        flow.observe(observed, value);
        expect(flow.originsOf("eve@evil.example")).not.toEqual(["model"]);
        expect(() => flow.facts("send", { to: "eve@evil.example" })).not.toThrow();
      }
  });

  it("never throws, whatever it is", () => {
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    const text = fc.string({ unit: fc.constantFrom(..."{}[]()'\"\\:,-|>\n 1aux%@./<".split("")), maxLength: 60 });
    fc.assert(
      fc.property(fc.oneof(anything, text, fc.json()), anything, (result, args) => {
        const flow = new SessionFlow();
        for (const observed of [PAGE, RECORD]) flow.observe({ ...observed, args }, result);
        flow.approve(args);
        expect(flow.facts("send", { result: typeof result === "string" ? result : "x" }).action).toBe("model");
      }),
      { numRuns: 500 },
    );
  });
});

describe("what is beyond a bound", () => {
  it("of a result counts as untrusted, with its labels", () => {
    const flow = new SessionFlow();
    const parts: unknown[] = [
      ...Array(50_000).fill(1),
      "eve@evil.example",
      { password: "correct-horse-7", id: "a-77" },
    ];
    flow.observe(RECORD, parts);
    expect(flow.originsOf("eve@evil.example")).toEqual(expect.arrayContaining(["tool:web__get", "untrusted"]));
    expect(flow.originsOf("a-77")).not.toContain("record");
    expect(flow.facts("send", { text: "it is correct-horse-7" }).origins["it is correct-horse-7"]).toContain("secret");
  });

  it("of the arguments makes the facts fail: one scalar, or one value inside a text, too many", () => {
    const flow = new SessionFlow();
    flow.observe(PAGE, "x eve@evil.example");
    const to = "eve@evil.example";
    expect(() => flow.facts("send", { to, cc: Array.from({ length: 10_001 }, (_, i) => `p${i}`) })).toThrow(/10000/);
    expect(() => flow.facts("send", { cc: Array.from({ length: 10_001 }, (_, i) => i), to })).toThrow(/10000/);
    const many = (count: number) => Array.from({ length: count }, (_, i) => `p${i}@corp.example`).join(" ");
    expect(() => flow.facts("send", { text: `${many(10_001)} ${to}` })).toThrow(/10000/);
    const text = `${many(500)} ${"filler ".repeat(12_000)} ${to}`;
    expect(flow.facts("send", { text }).inside[text]).toContain(to);
    expect(flow.facts("send", { to }).origins[to]).toContain("untrusted");
  });

  it("of the task is forgotten, oldest first, and what is kept is counted", () => {
    const flow = new SessionFlow(64 * 1024);
    for (let i = 0; i < 200; i++) flow.task(`${i} ${"x".repeat(65_000)}`);
    flow.task("Delete the file");
    expect(flow.facts("delete_file", {}).action).toBe("task");
    expect(flow.bytes).toBeGreaterThan(128 * 1024);
    expect(flow.bytes).toBeLessThan(1024 * 1024);
  });
});
