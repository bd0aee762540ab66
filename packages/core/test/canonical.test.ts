import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CallgateError, canonicalJson, digestOf, digestOfJson } from "../src/index.ts";

/** An IEEE 754 double from its 16 hex digits, as RFC 8785 appendix B writes them. */
function double(hex: string): number {
  return Buffer.from(hex, "hex").readDoubleBE();
}

describe("canonical JSON (RFC 8785)", () => {
  test("section 3.2.2: primitives, escapes and member order", () => {
    const input = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],' +
        '"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    );
    expect(canonicalJson(input)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test("section 3.2.3: members sort by UTF-16 code unit, not by code point or locale", () => {
    const input = {
      "\u20ac": "Euro Sign",
      "\r": "Carriage Return",
      "\ufb33": "Hebrew Letter Dalet With Dagesh",
      "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face",
      "\u0080": "Control",
      "\u00f6": "Latin Small Letter O With Diaeresis",
    };
    expect(Object.values(JSON.parse(canonicalJson(input)))).toEqual([
      // JSON.parse puts the integer-like key first; the text itself is asserted below.
      "One",
      "Carriage Return",
      "Control",
      "Latin Small Letter O With Diaeresis",
      "Euro Sign",
      "Emoji: Grinning Face",
      "Hebrew Letter Dalet With Dagesh",
    ]);
    expect(canonicalJson(input).startsWith('{"\\r":"Carriage Return","1":"One","\u0080":')).toBe(true);
  });

  test("integer-like keys sort as text", () => {
    expect(canonicalJson({ 9: 1, 10: 2, 1: 3 })).toBe('{"1":3,"10":2,"9":1}');
  });

  test.each([
    ["0000000000000000", "0"],
    ["8000000000000000", "0"],
    ["0000000000000001", "5e-324"],
    ["8000000000000001", "-5e-324"],
    ["7fefffffffffffff", "1.7976931348623157e+308"],
    ["ffefffffffffffff", "-1.7976931348623157e+308"],
    ["4340000000000000", "9007199254740992"],
    ["c340000000000000", "-9007199254740992"],
    ["4430000000000000", "295147905179352830000"],
    ["44b52d02c7e14af5", "9.999999999999997e+22"],
    ["44b52d02c7e14af6", "1e+23"],
    ["44b52d02c7e14af7", "1.0000000000000001e+23"],
    ["444b1ae4d6e2ef4e", "999999999999999700000"],
    ["444b1ae4d6e2ef4f", "999999999999999900000"],
    ["444b1ae4d6e2ef50", "1e+21"],
    ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
    ["3eb0c6f7a0b5ed8d", "0.000001"],
    ["41b3de4355555553", "333333333.3333332"],
    ["41b3de4355555554", "333333333.33333325"],
    ["41b3de4355555555", "333333333.3333333"],
    ["41b3de4355555556", "333333333.3333334"],
    ["41b3de4355555557", "333333333.33333343"],
    ["becbf647612f3696", "-0.0000033333333333333333"],
    ["43143ff3c1cb0959", "1424953923781206.2"],
  ])("appendix B: the double %s is written %s", (hex, text) => {
    expect(canonicalJson(double(hex))).toBe(text);
  });

  test("an own `__proto__` member is data", () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"a":2}}'))).toBe('{"__proto__":{"a":2},"b":1}');
  });

  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  test.each([
    ["NaN", Number.NaN],
    ["an infinity", { n: Number.POSITIVE_INFINITY }],
    ["a lone surrogate", ["\ud800"]],
    ["a lone surrogate in a key", { "\udead": 1 }],
    ["undefined", undefined],
    ["a function", () => 1],
    ["a cycle", cycle],
  ])("%s is refused with a code and help", (_, value) => {
    let caught: unknown;
    try {
      canonicalJson(value);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(CallgateError);
    expect((caught as CallgateError).code).toBe("CANONICAL_INVALID");
    expect((caught as CallgateError).help).toContain("send only JSON values");
  });

  test("nesting far past any call stack is written", () => {
    const depth = 50_000;
    const text = "[".repeat(depth) + "]".repeat(depth);
    let value: unknown[] = [];
    for (let i = 1; i < depth; i++) value = [value];
    expect(canonicalJson(value)).toBe(text);
  });

  const json = fc.jsonValue({ stringUnit: "binary" }).filter((value) => JSON.stringify(value).isWellFormed());

  test("property: it parses back to the same value, and is a fixed point", () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = canonicalJson(value);
        const back: unknown = JSON.parse(text);
        expect(back).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(back)).toBe(text);
      }),
    );
  });

  test("property: the order in which members were set does not show", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.integer()), (members) => {
        const reversed = Object.fromEntries(Object.entries(members).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(members));
      }),
    );
  });
});

describe("digests", () => {
  test("the digest of nothing and of `abc` (FIPS 180-4)", () => {
    expect(digestOf("")).toBe("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(digestOf("abc")).toBe("sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });

  test("a pinned digest of a value: its bytes must never change", () => {
    expect(digestOfJson({ b: [1, "é"], a: null })).toBe(digestOf('{"a":null,"b":[1,"é"]}'));
    expect(digestOfJson({ b: [1, "é"], a: null })).toBe(
      "sha256:f8f17faab95c024891d173fa43442b0e52007736a1f36715ac721ab22deeefc5",
    );
  });

  test("property: text is hashed as UTF-8, and as its bytes are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const bytes = Buffer.from(text, "utf8");
        const expected = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
        expect(digestOf(text)).toBe(expected);
        expect(digestOf(bytes)).toBe(expected);
      }),
    );
  });

  test("a view into a larger buffer is hashed as the view alone", () => {
    expect(digestOf(new Uint8Array(Buffer.from("xabcx").buffer.slice(0)).subarray(0, 0))).toBe(digestOf(""));
    const whole = Uint8Array.from(Buffer.from("xabcx"));
    expect(digestOf(whole.subarray(1, 4))).toBe(digestOf("abc"));
  });
});
