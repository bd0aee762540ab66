import { describe, expect, it } from "vitest";
import { Said } from "../src/sandboxed/said.ts";

describe("what code says", () => {
  it.each([
    ["a text", ["ann@corp.example"], "ann@corp.example"],
    ["in other letters", ["ann@corp.example"], "ANN@corp.example"],
    ["a word of prose", ["Write to ann@corp.example, or to (bob@corp.example)."], "bob@corp.example"],
    ["the last word of a sentence", ["Write to ann@corp.example."], "ann@corp.example"],
    ["a value in JSON", ['{"to":["ann@corp.example"]}'], "ann@corp.example"],
    ["a number", ["1000000"], "1000000"],
    ["a number with its sign", ["5"], "-5"],
    ["a short text", ["no"], "no"],
  ])("%s", (_, literals, text) => {
    expect(new Said(literals).has(text)).toBe(true);
  });

  it.each([
    ["a part of a word", ["ann@corp.example"], "corp.example"],
    ["words put together", ["ann", "corp.example"], "ann@corp.example"],
    ["short words of a text", ["a b c d e"], "c"],
    ["letters of an alphabet", ["abcdefghijklmnopqrstuvwxyz"], "eve"],
    ["nothing", [], "-"],
  ])("not %s", (_, literals, text) => {
    expect(new Said(literals).has(text)).toBe(false);
  });

  it("is read in one pass: a million dots in a word are trimmed at once, or this test is never over", () => {
    const said = new Said([`a${".".repeat(1_000_000)}b`, `word${"!".repeat(1_000_000)}`]);
    expect(said.has("word")).toBe(true);
  });
});
