import { describe, expect, it } from "vitest";
import { SessionFlow } from "../src/index.ts";

describe("a secret inside a longer text", () => {
  const vault = (result: unknown, fields = { "[].code": ["secret"] as const }) => {
    const flow = new SessionFlow();
    flow.observe({ tool: "vault__read", labels: [], flow: { untrusted: "prose", fields } }, result);
    return flow;
  };
  const originsIn = (flow: SessionFlow, text: string) => flow.facts("send", { text }).origins[text];

  it.each([
    ["as it is", "the code is 4-7-1-north, bye"],
    ["in another case", "CODE: 4-7-1-NORTH"],
    ["under base64", `see ${Buffer.from("pass on 4-7-1-north please").toString("base64")}`],
    ["percent-encoded", "https://x.example/?q=4%2D7%2D1%2Dnorth"],
  ])("is found %s", (_, text) => {
    expect(originsIn(vault([{ door: "east", code: "4-7-1-north" }]), text)).toEqual(
      expect.arrayContaining(["secret", "tool:vault__read"]),
    );
  });

  it("is not found in texts without it, nor for short common words and names of fields", () => {
    const flow = vault([
      { door: "east", code: "open" },
      { door: "west", code: "4-7-1-north" },
    ]);
    for (const text of ["open the door", "the code of the door", "4-7-1"])
      expect(originsIn(flow, text), text).not.toContain("secret");
  });

  it("is found whatever long words or encoded pieces stand before it", () => {
    const code = Buffer.from("4-7-1-north").toString("base64");
    const flow = vault([{ code: "4-7-1-north" }]);
    const pieces = Array.from({ length: 400 }, (_, i) => Buffer.from(`nothing here ${i}`).toString("base64"));
    for (const before of [
      "Internationalisation ".repeat(20),
      `${pieces.join(" ")} `,
      "%ff ",
      `${"%41".repeat(20_000)} `,
    ])
      expect(originsIn(flow, before + code), before.slice(0, 20)).toContain("secret");
    expect(originsIn(flow, `${"x ".repeat(20_000)} 4%2D7%2D1%2Dnorth`)).toContain("secret");
  });

  it("is found among thousands, the newest and the oldest alike", () => {
    const flow = vault(Array.from({ length: 2_500 }, (_, i) => ({ code: `sk-live-${i}-abc` })));
    for (const i of [0, 499, 1_000, 2_499]) expect(originsIn(flow, `it is sk-live-${i}-abc, bye`)).toContain("secret");
    expect(originsIn(flow, "nothing of that kind")).not.toContain("secret");
  });

  it("counts as anywhere once there are more than can be remembered", () => {
    const flow = vault(Array.from({ length: 23_000 }, (_, i) => ({ code: `${i}-abc` })));
    for (const i of [0, 21_999, 22_999]) expect(originsIn(flow, `it is ${i}-abc, bye`)).toContain("secret");
  });

  it("is looked for in a long text", () => {
    const flow = vault([{ code: `${"plain words ".repeat(100)} "key-4711-north" ${"more ".repeat(50)}` }]);
    expect(originsIn(flow, "use key-4711-north")).toContain("secret");
    expect(originsIn(flow, "use plain words")).not.toContain("secret");
  });
});
