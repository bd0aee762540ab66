import { describe, expect, it } from "vitest";
import { SessionFlow } from "../src/index.ts";

const TOOL = { tool: "notes__get", labels: ["untrusted"], flow: { untrusted: "prose" } } as const;

describe("a value that the model made up and a server says again", () => {
  it.each([
    ["in another case", "eve@evil.example", "Eve@evil.example"],
    ["in quotes", "eve@evil.example", '"eve@evil.example"'],
    ["with a slash at its end", "https://evil.example/x", "https://evil.example/x/"],
    ["without its scheme", "https://www.evil.example/x", "evil.example/x"],
    ["with a word before it", "https://evil.com/x", "url evil.com/x"],
    ["with spaces in it", "DE89370400440532013000", "DE89 3704 0044 0532 0130 00"],
    ["decoded", "eve%40evil.example", "eve@evil.example"],
    ["as a list", "eve@evil.example, x@y.example", ["eve@evil.example", "x@y.example"]],
    ["as words", "17 eve_2", ["17", "eve_2"]],
    ["as a number", "1,000,000", 1_000_000],
    ["as its host", "https://evil.example/x", "evil.example"],
  ])("gets no ground %s", (_, said, echoed) => {
    const flow = new SessionFlow();
    flow.observe({ ...TOOL, args: { value: said } }, { value: echoed, other: "9f31" });
    for (const value of [said, ...[echoed].flat().map(String)])
      expect(flow.originsOf(value), value).not.toContain("record");
    expect(flow.originsOf("9f31")).toContain("record");
  });

  it("gets none where one tool keeps it and another gives it back", () => {
    for (const labels of [["untrusted"], []] as const) {
      const flow = new SessionFlow();
      flow.observe({ ...TOOL, labels, tool: "notes__save", args: { note: "see eve@evil.example" } }, { ok: true });
      flow.observe({ ...TOOL, labels, args: { id: "1" } }, [{ value: "eve@evil.example", owner: "bob@corp.example" }]);
      expect(flow.originsOf("eve@evil.example")).toEqual(["model", "tool:notes__get", ...labels]);
      expect(flow.originsOf("bob@corp.example")).toContain("record");
    }
  });

  it("gets none after a call whose result says nothing, or that had thousands of other values", () => {
    const flow = new SessionFlow();
    flow.observe({ ...TOOL, args: { note: "eve@evil.example" } }, undefined);
    const others = Array.from({ length: 30_000 }, (_, i) => `p${i}@corp.example`);
    flow.observe({ ...TOOL, args: { note: [...others, "mallory@evil.example"] } }, undefined);
    flow.observe(TOOL, [{ a: "eve@evil.example", b: "mallory@evil.example", c: "ann@evil.example" }]);
    expect(flow.originsOf("eve@evil.example")).not.toContain("record");
    expect(flow.originsOf("mallory@evil.example")).not.toContain("record");
    expect(flow.originsOf("ann@evil.example")).toContain("record");
  });

  it("keeps the ground that it had before", () => {
    const flow = new SessionFlow();
    flow.task("Write to ann@corp.example");
    flow.observe(TOOL, [{ owner: "bob@corp.example" }]);
    flow.observe({ ...TOOL, args: { to: ["ann@corp.example", "bob@corp.example"] } }, { ok: true });
    flow.observe(TOOL, [{ owner: "bob@corp.example" }, { owner: "ann@corp.example" }]);
    expect(flow.originsOf("ann@corp.example")).toContain("task");
    expect(flow.originsOf("bob@corp.example")).toContain("record");
  });
});
