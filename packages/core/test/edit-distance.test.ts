import { expect, it } from "vitest";
import { editDistance } from "../src/index.ts";

it.each([
  ["forbid", "forbid", 0],
  ["fobrid", "forbid", 1],
  ["forbidd", "forbid", 1],
  ["frbid", "forbid", 1],
  ["permit", "forbid", 4],
  ["", "ab", 2],
])("from %j to %j it is %d", (a, b, edits) => {
  expect(editDistance(a, b, 10)).toBe(edits);
});

it("gives up where the lengths alone differ by too much", () => {
  expect(editDistance("a", "abcdef", 2)).toBe(3);
});
