import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalText, isCanonical } from "../src/canonical.ts";

describe("canonical JSON", () => {
  it.each([
    [
      "RFC 8785, section 3.2.2",
      '{"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    ],
    ["an empty object", "{}"],
    ["names that are numbers, in the order of their characters", '{"10":1,"9":2,"a":3}'],
    ["names in the order of UTF-16, not of code points", '{"\u20ac":1,"\ud83d\ude00":2,"\ufb33":3}'],
    ["a name that objects have anyway", '{"__proto__":{"a":1},"constructor":2}'],
  ])("takes %s", (_, text) => {
    expect(isCanonical(JSON.parse(text), text)).toBe(true);
  });

  it.each([
    ["white space", '{"a": 1}'],
    ["a wrong order", '{"b":1,"a":2}'],
    ["a wrong order inside", '[{"b":1,"a":2}]'],
    ["numbers as names in the order of numbers", '{"9":1,"10":2}'],
    ["a name twice", '{"a":1,"a":2}'],
    ["a longer number", '{"a":1.0}'],
    ["another form of a number", '{"a":1E2}'],
    ["minus zero", '{"a":-0}'],
    ["an escape that is not needed", '{"a":"\\u0041"}'],
    ["an escaped slash", '{"a":"\\/"}'],
    ["an escape in capitals", '{"a":"\\u000F"}'],
    ["half a character", '{"a":"\\ud800"}'],
    ["half a character in a name", '{"\\udc00":1}'],
    ["half a character in capitals", '{"a":"\\uD800"}'],
  ])("refuses %s", (_, text) => {
    expect(isCanonical(JSON.parse(text), text)).toBe(false);
  });

  it("takes its own form of any value, and no other text of it", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (value, n) => {
        const text = canonicalText(value) as string;
        expect(isCanonical(JSON.parse(text), text)).toBe(true);
        // A space anywhere makes another text; inside a string it makes another value.
        const at = n % (text.length + 1);
        const spaced = `${text.slice(0, at)} ${text.slice(at)}`;
        let same: unknown;
        try {
          same = JSON.parse(spaced);
        } catch {
          return;
        }
        if (canonicalText(same) === text) expect(isCanonical(same, spaced)).toBe(false);
      }),
    );
  });
});
