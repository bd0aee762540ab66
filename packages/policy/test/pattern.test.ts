import fc from "fast-check";
import { RE2JS } from "re2js";
import { expect, it } from "vitest";
import { nativeOf } from "../src/cel/lib/native-pattern.ts";
import { compilePattern } from "../src/cel/lib/pattern.ts";

const PIECE = fc.constantFrom(
  ..."a b z A 0 9 - _ . / \\. \\/ \\- \\\\ \\$ \\^ \\d \\w [a-z] [^a-z] [A-Za-z0-9_] [\\w.-] [\\d-] [-a] [^/] [\\]x] [.] [(){}|] [\\^a] [a^] [\\w-z] [a-\\d] [&&] @ : =".split(
    " ",
  ),
  " ",
);
const QUANTIFIER = fc.constantFrom("", "", "", "+", "*", "?", "{2}", "{3}");
const PATTERN = fc
  .tuple(fc.array(fc.tuple(PIECE, QUANTIFIER), { maxLength: 6 }), fc.constantFrom("", "$"))
  .map(([pieces, end]) => `^${pieces.map(([piece, quantifier]) => piece + quantifier).join("")}${end}`);
const TEXT = fc
  .array(fc.constantFrom(..."ab zA09-_./\\$^]()|&@:=\n\r".split(""), "é", "😀", "\u2028", "\ud83d"), { maxLength: 8 })
  .map((c) => c.join(""));

it("finds on JavaScript's engine what RE2 finds", () => {
  let native = 0;
  const property = fc.property(PATTERN, fc.array(TEXT, { minLength: 8, maxLength: 8 }), (pattern, texts) => {
    const fast = nativeOf(pattern);
    if (!fast) return;
    native += 1;
    const slow = RE2JS.compile(pattern);
    for (const text of texts) expect(fast.test(text), `${pattern} on ${JSON.stringify(text)}`).toBe(slow.test(text));
  });
  fc.assert(property, { numRuns: 3000, seed: 1 });
  expect(native).toBeGreaterThan(500);
});

it.each([
  "(a+)+$",
  "^(a|a)*b",
  "^a*a*b",
  "^a+a+$",
  "^.*.*x",
  "a+b",
  "^\\s+$",
  "^(?i)a",
  "^é+",
  "^a+?b",
  `^a*${"b".repeat(40)}`,
])("leaves %j to RE2", (pattern) => {
  expect(nativeOf(pattern)).toBeUndefined();
});

it.each<[string, string, boolean]>([
  ["a.c", "xa\nc", false],
  ["(?s)a.c", "xa\nc", true],
  ["^a$", "a\n", false],
  ["^abc", "abcd", true],
  ["bc$", "abc", true],
  ["^a\\.b$", "a.b", true],
  ["^a\\.b$", "axb", false],
  ["\\p{Greek}", "αβγ", true],
  ["(?i)STRASSE", "strasse", true],
  ["^\\w+$", "é", false],
])("%j on %j is %j", (pattern, text, found) => {
  expect(compilePattern(pattern)({ facts: undefined, slots: [], fuel: 1e6 }, text)).toBe(found);
});
