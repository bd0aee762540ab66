import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, digestOfJson, parseJson, roundedJson, stringifyJson, writableJson } from "../src/index.ts";

/** JSON texts of integers of any size, and of the places where doubles begin to lose digits. */
const digits = fc.oneof(
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map(String),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }).map(String),
  fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map(String),
);
const numerals = fc.oneof(
  digits,
  fc.tuple(digits, fc.integer({ min: -30, max: 30 })).map(([d, e]) => `${d}e${e}`),
  fc.tuple(digits, fc.nat()).map(([d, f]) => `${d}.${f}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
);
const { text } = fc.letrec<{ text: string }>((tie) => ({
  text: fc.oneof(
    { maxDepth: 4 },
    numerals,
    fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.stringify(value)),
    fc.array(tie("text"), { maxLength: 4 }).map((items) => `[${items.join(", ")}]`),
    fc
      .array(fc.tuple(fc.oneof(fc.string(), fc.constant("__proto__")), tie("text")), { maxLength: 4 })
      .map((members) => `{${members.map(([key, value]) => `${JSON.stringify(key)} : ${value}`).join(",")}}`),
  ),
}));

describe("parsing", () => {
  test.each([
    ["9007199254740991", 9007199254740991],
    ["-9007199254740991", -9007199254740991],
    ["9007199254740992", 9007199254740992n],
    ["9007199254740993", 9007199254740993n],
    ["-9007199254740993", -9007199254740993n],
    [`1${"0".repeat(30)}`, 10n ** 30n],
    ["0.1234567890123456789", 0.12345678901234568],
    ["-0", -0],
    ["1e3", 1000],
    ["9007199254740993.5", 9007199254740994n],
    ["1e20", 10n ** 20n],
    ["90071992547409930e-1", 9007199254740993n - 1n],
    ["1e21", 1e21],
    ["1e400", Number.POSITIVE_INFINITY],
    [`-1${"0".repeat(400)}`, Number.NEGATIVE_INFINITY],
    ['"9007199254740993"', "9007199254740993"],
  ])("the number %s", (source, value) => {
    expect(parseJson(source)).toBe(value);
    expect(parseJson(`{"a":[ ${source}\n]}`)).toEqual({ a: [value] });
  });

  test("an own `__proto__` member is data, as with JSON.parse", () => {
    const source = '{"__proto__":{"id":9007199254740993},"b":1}';
    const value = parseJson(source) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(["__proto__", "b"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(canonicalJson(value)).toBe(source);
    expect(JSON.stringify(writableJson(value))).toBe(source);
    expect(Object.keys(roundedJson(value) as object)).toEqual(["__proto__", "b"]);
  });

  test.each(["", "{", '{"a":90071992547409931', "[9007199254740993,]", "09007199254740993", "9007199254740993n"])(
    "%j is refused",
    (source) => {
      expect(() => parseJson(source)).toThrow(SyntaxError);
    },
  );

  test("property: apart from whole numbers beyond 2^53 it is JSON.parse", () => {
    fc.assert(
      fc.property(text, (source) => {
        expect(roundedJson(parseJson(source))).toEqual(JSON.parse(source));
      }),
    );
  });

  test("property: integers keep their digits, wherever they stand", () => {
    fc.assert(
      fc.property(fc.array(digits), fc.string(), (numbers, key) => {
        const source = `{${JSON.stringify(key)}:[${numbers.join(",")}]}`;
        expect(stringifyJson(parseJson(source))).toBe(source);
        expect(canonicalJson(parseJson(source))).toBe(source);
      }),
    );
  });

  test("property: canonical text parses to an equal value, so what a record shows is what was decided on", () => {
    const finite = text.filter((source) => JSON.stringify(JSON.parse(source)).isWellFormed());
    fc.assert(
      fc.property(finite, (source) => {
        const canonical = canonicalJson(parseJson(source));
        const again = parseJson(canonical);
        expect(canonicalJson(again)).toBe(canonical);
        // JSON has no form for minus zero of its own.
        expect(again).toEqual(parseJson(stringifyJson(parseJson(source))));
      }),
    );
  });
});

describe("writing", () => {
  test("BigInts are their digits, members keep their order", () => {
    const value = { z: [1n, 9007199254740993n, { a: -(10n ** 30n) }], a: "1n" };
    expect(stringifyJson(value)).toBe(`{"z":[1,9007199254740993,{"a":-1${"0".repeat(30)}}],"a":"1n"}`);
    expect(stringifyJson({ a: 2n ** 60n }, 2)).toBe('{\n  "a": 1152921504606846976\n}');
    expect(JSON.stringify(writableJson(value))).toBe(stringifyJson(value));
  });

  test("a value without BigInts is not copied", () => {
    const value = { a: [1, { b: null }] };
    expect(writableJson(value)).toBe(value);
    expect(roundedJson(value)).toBe(value);
  });

  test("a cycle is refused, beside a BigInt too", () => {
    const cycle: Record<string, unknown> = { n: 1n };
    cycle["self"] = cycle;
    expect(() => stringifyJson(cycle)).toThrow(TypeError);
    expect(() => canonicalJson(cycle)).toThrow("no canonical JSON form");
  });
});

describe("canonical JSON and its digest", () => {
  test("members are sorted, strings escaped and absent members left out as without BigInts", () => {
    const value = { b: [9007199254740993n, undefined, 1e21], "\u20ac": "é\n", a: { d: undefined, c: 2n ** 64n } };
    expect(canonicalJson(value)).toBe('{"a":{"c":18446744073709551616},"b":[9007199254740993,null,1e+21],"€":"é\\n"}');
  });

  test("neighbours beyond 2^53 have different digests", () => {
    const digest = (id: string): string => digestOfJson(parseJson(`{"id":${id}}`));
    expect(digest("9007199254740992")).not.toBe(digest("9007199254740993"));
    expect(digest("9007199254740992")).toBe(digestOfJson({ id: 9007199254740992 }));
  });

  test.each([
    ["an infinity", { n: 1n, m: Number.POSITIVE_INFINITY }],
    ["a lone surrogate", [1n, "\ud800"]],
    ["a lone surrogate in a key", { n: 1n, "\udead": 1 }],
  ])("%s beside a BigInt is refused", (_, value) => {
    expect(() => canonicalJson(value)).toThrow("no canonical JSON form");
  });
});
