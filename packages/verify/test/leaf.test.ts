import { expect, test } from "vitest";
import { type RecordRow, readLeaf } from "../src/leaf.ts";

test("a leaf is no longer than a tile of entries can say (C2SP tlog-tiles)", () => {
  const problems = (bytes: number): readonly string[] => {
    const found: string[] = [];
    const text = JSON.stringify({ log: "log_1", seq: 1, v: 2, x: "" });
    const leaf = text.replace('""', `"${"a".repeat(bytes - text.length)}"`);
    const row: RecordRow = [1, null, null, null, null, null, null, null, null, null, leaf];
    readLeaf(row, "log_1", (_, problem) => found.push(problem));
    return found.filter((problem) => problem.includes("bytes"));
  };
  expect(problems(65_535)).toEqual([]);
  expect(problems(65_536)).toEqual(["the leaf is over 65535 bytes"]);
});
