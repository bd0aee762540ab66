import { afterAll, describe, expect, it, test } from "vitest";
import { openStudy, type PlannedCall, planOf } from "../src/index.ts";

const study = openStudy();
afterAll(() => study.close());

/** The one call of a script. */
function callIn(script: string): PlannedCall {
  const { calls } = planOf(script);
  expect(calls).toHaveLength(1);
  return calls[0] as PlannedCall;
}
const argsOf = (text: string): object => {
  const { literals, computed, open } = callIn(`await tools.mail.send(${text})`);
  return { literals, computed, open };
};

test("a plan lists the places that call tools, and says when they are not all", () => {
  expect(planOf('const r = await tools.fs.read({ path: "/a", n: x });\nawait tools["web"].get({})')).toEqual({
    calls: [
      { server: "fs", name: "read", literals: { path: "/a" }, computed: ["n"], open: false, line: 1 },
      { server: "web", name: "get", literals: {}, computed: [], open: false, line: 2 },
    ],
    complete: true,
  });
  for (const text of [
    "const t = tools; t.fs.read()",
    "tools[x].read()",
    "globalThis.tools.a.b()",
    "const { a } = tools",
  ])
    expect(planOf(text).complete, text).toBe(false);
  expect(planOf("tools.a.b({ tools: 1, fetch: x.tools })").complete).toBe(true);
});

describe("arguments", () => {
  it.each([
    ['{ to: ["a", "b"], n: -5, m: +5 }', { to: ["a", "b"], n: -5, m: 5 }],
    ["{ text: `hi`, on: true, none: null, 'a-b': 1, 7: 2 }", { text: "hi", on: true, none: null, "a-b": 1, 7: 2 }],
    ['{ at: { x: { y: [1, { z: "z" }] } } }', { at: { x: { y: [1, { z: "z" }] } } }],
    ["{ n: 5n, m: -9007199254740993n }", { n: 5n, m: -9007199254740993n }],
    ['{ to: "ann" + "@" + "corp" }', { to: "ann@corp" }],
    ['{ to: "a", to: "b" }', { to: "b" }],
    ['{ to: x, to: "b" }', { to: "b" }],
    ["", {}],
    ["{}", {}],
  ])("that stand in the text are literals: %s", (text, literals) => {
    expect(argsOf(text)).toEqual({ literals, computed: [], open: false });
  });

  it.each([
    ["{ to }"],
    ["{ to: x }"],
    ["{ to: /x/ }"],
    ["{ to: 1e400 }"],
    ["{ to: -1e400 }"],
    ["{ to: () => 1 }"],
    ["{ to() {} }"],
    ["{ get to() { return 1 } }"],
    ["{ to: `a$" + "{x}` }"],
    ["{ to: 'a' + x }"],
    ["{ to: 1 + 'a' }"],
    ["{ to: ['a', x] }"],
    ["{ to: ['a', ...x] }"],
    ["{ to: [, 'a'] }"],
    ["{ to: { a: 1, ...x } }"],
    ["{ to: { a: 1, [x]: 2 } }"],
    ["{ to: { a: 1, __proto__: x } }"],
    ["{ to: { a: undefined } }"],
    ["{ to: '\\ud800' }"],
    ["{ to: { '\\ud800': 1 } }"],
    ["{ to: 'a', to: x }"],
    ["{ to: -x }"],
    ["{ to: !0 }"],
  ])("that are made by the script are computed: %s", (text) => {
    expect(argsOf(text)).toEqual({ literals: {}, computed: ["to"], open: false });
  });

  it("may be any where the text does not name them all", () => {
    expect(argsOf("x")).toEqual({ literals: {}, computed: [], open: true });
    expect(argsOf("...x")).toEqual({ literals: {}, computed: [], open: true });
    expect(argsOf('"a"')).toEqual({ literals: {}, computed: [], open: true });
    // What stands before may be overwritten, and what stands behind may not.
    expect(argsOf('{ to: "a", ...x, n: 1 }')).toEqual({ literals: { n: 1 }, computed: ["to"], open: true });
    expect(argsOf('{ to: "a", [x]: 1 }')).toEqual({ literals: {}, computed: ["to"], open: true });
    expect(argsOf("{ __proto__: x }")).toEqual({ literals: {}, computed: [], open: true });
    expect(argsOf('{ "__proto__": { to: "a" }, n: 1 }')).toEqual({ literals: { n: 1 }, computed: [], open: true });
  });

  it("reach the broker as they were read", async () => {
    const { plan } = await study.read('const n: number = 1; await tools.a.b({ x: [1n, { y: "z" }], r: /x/, ...n })');
    expect(plan.calls).toEqual([{ server: "a", name: "b", literals: {}, computed: ["x", "r"], open: true, line: 1 }]);
  });
});

it.each([
  "}); (async () => { await tools.mail.send({}) })(); (async () => {",
  "}, async () => {",
  "} /* a function of its own */ ); ({ a: 1",
])("a script stays inside the function that runs it: %s", async (script) => {
  await expect(study.read(script)).rejects.toMatchObject({ code: "SANDBOX_SYNTAX" });
});

describe("a text that would be too much for a parser", () => {
  it.each([
    ["brackets", `return ${"[".repeat(32_000)}${"]".repeat(32_000)}`],
    ["brackets behind types", `const a: number = ${"[".repeat(32_000)}`],
    ["brackets that do not match", "([{".repeat(20_000)],
    ["templates", `return ${"`$".concat("{").repeat(300)}`],
    ["brackets behind a division", `return a / 2 + ${"(".repeat(300)}b / 3`],
    ["no brackets", `return ${"!".repeat(60_000)}1`],
    ["operators", `return ${"1+".repeat(30_000)}1`],
  ])("is refused, and the next one is read: %s", async (_, script) => {
    await expect(study.read(script)).rejects.toMatchObject({
      code: "SANDBOX_SYNTAX",
      message: expect.stringMatching(/it is nested (deeper than 200 brackets|too deep)$/),
    });
    expect((await study.read("return 1")).code).toBe("return 1");
  });

  it.each([
    ["texts", `return "${"[".repeat(300)}" + '${"(".repeat(300)}\\'{' + "\\"${"{".repeat(300)}"`],
    ["templates", `return \`${"[({".repeat(300)}$\{a.map((x) => \`$\{x}{{\`)}${"(".repeat(300)}\``],
    ["comments", `// ${"[".repeat(300)}'\n/* ${"{".repeat(300)}\n"' */ return 1`],
    ["regular expressions", `return [/[${"([{".repeat(100)}]/, /${"\\(".repeat(150)}/.test("a"), a / 2]`],
    ["types", `const a: string = "${"[".repeat(300)}"; return a! / 2 / 3`],
    ["a long script", "f({ a: [1, (2)] });\n".repeat(2000)],
    ["a long sum", `return ${"1 + ".repeat(2000)}1`],
  ])("is none by its brackets in %s", async (_, script) => {
    expect((await study.read(script)).plan.complete).toBe(true);
  });

  it("is not taken for one at its limit", async () => {
    const nested = (depth: number): string => `return ${"[".repeat(depth)}1${"]".repeat(depth)}`;
    expect((await study.read(nested(200))).literals).toContain("1");
    await expect(study.read(nested(201))).rejects.toMatchObject({ message: expect.stringContaining("200") });
  });
});

describe("those who have scripts read", () => {
  it("take turns, and only so many scripts of one may wait", async () => {
    const ended: string[] = [];
    const ask = (asker: string, name: string): Promise<unknown> =>
      study.read(`return ${JSON.stringify(name)}`, asker).then(
        () => ended.push(name),
        (error: { code: string }) => ended.push(`${name} ${error.code}`),
      );
    // One is read, and 32 wait.
    const eves = Array.from({ length: 34 }, (_, i) => ask("eve", `eve ${i + 1}`));
    await Promise.all([...eves, ask("ann", "ann 1"), ask("bob", "bob 1"), ask("ann", "ann 2")]);
    expect(ended.slice(0, 7)).toEqual(["eve 34 SANDBOX_BUSY", "eve 1", "ann 1", "bob 1", "eve 2", "ann 2", "eve 3"]);
    expect(ended.slice(7)).toEqual(Array.from({ length: 30 }, (_, i) => `eve ${i + 4}`));
  });
});
