import { CallgateError } from "@callgate/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyEdits, jsonAt, parseJsonc } from "../src/setup/jsonc.ts";

const json = fc.jsonValue({ maxDepth: 4 });

test("JSON is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(json, fc.constantFrom(0, 2, "\t"), (value, space) => {
      const text = JSON.stringify(value, null, space);
      const node = parseJsonc("a.json", text);
      expect(node.value).toEqual(JSON.parse(text));
      expect([node.start, node.end]).toEqual([0, text.length]);
    }),
  );
});

test("comments, trailing commas and a byte order mark are no obstacle", () => {
  const text = '\uFEFF// a\n{ /* b */ "x": [1, 2,], // "y": 3\n "x": {"z": "// no comment",}, }\n';
  expect(parseJsonc("a.json", text).value).toEqual({ x: { z: "// no comment" } });
});

test("a member is replaced and put back, and every other character stays", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), json, { minKeys: 1 }),
      fc.constantFrom(0, 2, "\t"),
      json,
      (object, space, other) => {
        const text = JSON.stringify(object, null, space);
        const [name, node] = [...(parseJsonc("a.json", text).members ?? [])][0]!;
        const original = text.slice(node.start, node.end);
        const changed = applyEdits(text, [{ start: node.start, end: node.end, text: jsonAt(text, node.start, other) }]);
        const now = parseJsonc("a.json", changed);
        expect(now.value).toEqual({ ...JSON.parse(text), [name]: JSON.parse(JSON.stringify(other)) });
        const at = now.members!.get(name)!;
        expect(applyEdits(changed, [{ start: at.start, end: at.end, text: original }])).toBe(text);
      },
    ),
  );
});

test.each([
  ["", "it ends too early", 1, 1],
  ['{"a": 1', "`,` or `}` is missing", 1, 8],
  ['{\n  "a" 1}', "`:` is missing", 2, 7],
  ["{a: 1}", "a name in double quotes is missing", 1, 2],
  ['{"a": 01}', "`01` is no value", 1, 9],
  ['{"a": nope}', "`n` is not expected here", 1, 7],
  ["{} x", "`x` is not expected here", 1, 4],
  ["[".repeat(100), "it is nested too deeply", 1, 66],
  ['{"a": "b\n"}', '`"` is not expected here', 1, 7],
])("%j is refused where it goes wrong", (text, what, line, column) => {
  let thrown: unknown;
  try {
    parseJsonc("a.json", text);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CallgateError);
  const [diagnostic] = (thrown as CallgateError).diagnostics;
  expect(diagnostic).toMatchObject({ message: `not valid JSON: ${what}`, span: { file: "a.json", line, column } });
});
