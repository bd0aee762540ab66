import { describe, expect, it } from "vitest";
import { evaluate, FUEL, prepareUnchecked } from "../src/cel/engine.ts";
import { Defect } from "../src/cel/fault.ts";
import { parse } from "../src/cel/parse.ts";
import { environmentOf, faultOf, run, runUnchecked, valueOf } from "./evaluate.ts";
import { call, load, MAIL, permit, tool } from "./facts.ts";

const OPEN = tool("any__tool", { type: "object" });

/** The verdict on arguments of any shape, under a permit with this condition. */
function verdict(when: string, args: unknown): string {
  return load(permit(when), [OPEN]).decide(call(OPEN, args)).verdict;
}

describe("text that is too much", () => {
  it.each([
    ["parentheses", "(".repeat(5000) + "true" + ")".repeat(5000)],
    ["brackets", `${"[".repeat(5000)}1${"]".repeat(5000)}`],
    ["negations", `${"!".repeat(5000)}true`],
    ["minus signs", `${"-".repeat(5000)}1`],
    ["selections", `a${".b".repeat(5000)}`],
    ["calls", `a${".b()".repeat(5000)}`],
    ["ternaries", `${"true ? ".repeat(5000)}1`],
    ["ternaries after the colon", `${"false ? 1 : ".repeat(5000)}1`],
    ["sums", `1${" + 1".repeat(5000)}`],
    ["maps", "{1:".repeat(5000) + "1" + "}".repeat(5000)],
    ["length", `"${"x".repeat(70_000)}"`],
    ["terms", `[${"1,".repeat(25_000)}]`],
  ])("refuses %s without a crash", (_, text) => {
    expect(() => parse(text)).toThrow(Defect);
  });

  it("takes a long flat rule", () => {
    expect(valueOf(Array.from({ length: 2000 }, (_, i) => `${i} >= 0`).join(" && "))).toBe(true);
    expect(valueOf(Array.from({ length: 2000 }, (_, i) => `${i} < 0`).join(" || "))).toBe(false);
  });
});

describe("work that is too much", () => {
  const numbers = Array.from({ length: 1000 }, (_, i) => i);
  const long = "a".repeat(2_000_000);
  it.each<[string, string]>([
    ["nested macros", "l.all(a, l.all(b, l.all(c, l.all(d, a + b + c + d >= 0))))"],
    ["nested maps", "l.map(a, l.map(b, l.map(c, a)))"],
    [
      "doubled strings",
      `cel.bind(a, s + s, ${Array.from({ length: 24 }, (_, i) => `cel.bind(a${i}, ${i ? `a${i - 1}` : "a"} + ${i ? `a${i - 1}` : "a"}, `).join("")}a23.size() > 0${")".repeat(25)}`,
    ],
    [
      "doubled lists",
      `cel.bind(a, l + l, ${Array.from({ length: 24 }, (_, i) => `cel.bind(a${i}, ${i ? `a${i - 1}` : "a"} + ${i ? `a${i - 1}` : "a"}, `).join("")}a23.size() > 0${")".repeat(25)}`,
    ],
    ["a huge range", "lists.range(1000000000).size() > 0"],
    ["quadratic search", "l.all(a, l.all(b, a in l && b in l))"],
    ["quadratic distinct", "l.map(a, l).flatten().distinct().size() > 0"],
    ["repeated replacing", "l.map(a, s.replace('a', 'aa')).size() > 0"],
    ["repeated splitting", "l.map(a, s.split('')).size() > 0"],
    ["a costly pattern", "s.matches('(a|aa|a?){100}b')"],
    ["a pattern from an argument", "l.all(i, s.matches(p + string(i)))"],
    ["deep equality", "l.all(i, l.map(x, l) == l.map(x, l))"],
    ["time zones", "l.all(i, l.all(j, timestamp(i * j).getHours('Europe/Berlin') >= 0))"],
    ["formatting", "l.all(i, '%s'.format([l]) != '')"],
  ])("ends %s with a fault", (_, text) => {
    const facts = { l: numbers, s: long, p: "(a*)*" };
    const outcome = runUnchecked(text, facts);
    expect(outcome).toMatchObject({ ok: false, fault: { code: "spent" } });
  });

  it("is not absorbed by a decisive other side", () => {
    const facts = { l: numbers };
    const heavy = "l.all(a, l.all(b, l.all(c, true)))";
    for (const text of [`${heavy} || true`, `${heavy} && false`, `[1].exists(x, ${heavy} || true)`]) {
      expect(runUnchecked(text, facts)).toMatchObject({ ok: false, fault: { code: "spent" } });
    }
  });

  it("spends a bounded number of turns, whatever the nesting", () => {
    let turns = 0;
    const facts = {
      l: numbers,
      get t() {
        turns += 1;
        return true;
      },
    };
    expect(evaluate(prepareUnchecked("l.all(a, l.all(b, l.all(c, t)))", environmentOf(facts)), facts).ok).toBe(false);
    expect(turns).toBeLessThan(FUEL);
  });

  it("bounds a whole decision, not just each rule", () => {
    const rule = (i: number) =>
      `  - { id: r${i}, effect: permit, tools: ["*"], when: 'args.l.all(a, args.l.all(b, args.l.all(c, true)))' }`;
    const set = load(`policies:\n${Array.from({ length: 50 }, (_, i) => rule(i)).join("\n")}\n`, [OPEN]);
    const decision = set.decide(call(OPEN, { l: numbers }));
    expect(decision.verdict).toBe("deny");
    expect(decision.errors).toHaveLength(50);
  });

  it("denies on arguments that nest deeper than the stack", () => {
    let deep: unknown = 1;
    for (let i = 0; i < 200_000; i++) deep = [deep];
    expect(verdict("args.a == args.b || true", { a: deep, b: structuredCloneDeep(200_000) })).toBe("deny");
  });
});

function structuredCloneDeep(depth: number): unknown {
  let deep: unknown = 1;
  for (let i = 0; i < depth; i++) deep = [deep];
  return deep;
}

describe("names that JavaScript gives a meaning", () => {
  const NAMES = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"];
  it.each(NAMES)("%s is a missing key", (name) => {
    expect(valueOf(`has(a.${name})`, { a: {} })).toBe(false);
    expect(valueOf(`'${name}' in a`, { a: {} })).toBe(false);
    expect(valueOf(`a.?${name}.hasValue()`, { a: {} })).toBe(false);
    expect(valueOf(`a[?'${name}'].hasValue()`, { a: {} })).toBe(false);
    expect(faultOf(`a.${name}`, { a: {} })).toBe("no_such_key");
    expect(faultOf(`a['${name}']`, { a: {} })).toBe("no_such_key");
    expect(faultOf(`a.${name}`, { a: "text" })).toBe("no_such_overload");
    expect(faultOf(`a.${name}`, { a: [1] })).toBe("no_such_overload");
    expect(faultOf(`a.${name}`, { a: 1 })).toBe("no_such_overload");
    expect(faultOf(`a.${name}()`, { a: {} })).toBe("no_such_function");
    expect(faultOf(`{'a': 1}.${name}`)).toBe("no_such_key");
  });

  it.each(NAMES)("%s is an ordinary key where it is one", (name) => {
    const args: unknown = JSON.parse(`{"${name}": "x"}`);
    expect(valueOf(`has(a.${name}) && a.${name} == 'x' && a['${name}'] == 'x' && a.size() == 1`, { a: args })).toBe(
      true,
    );
    expect(valueOf(`a == {'${name}': 'x'} && {'${name}': 'x'} == a`, { a: args })).toBe(true);
    expect(valueOf(`a.exists(k, k == '${name}')`, { a: args })).toBe(true);
  });

  it("does not let the inside of values be read", () => {
    for (const text of [
      "2.0.value",
      "1u.value",
      "timestamp(0).seconds",
      "optional.of(1).present",
      "int.name",
      "[1].length",
      "b'a'.length",
    ]) {
      expect(["no_such_overload", "no_such_key"]).toContain(faultOf(text));
    }
  });
});

describe("values that are odd", () => {
  it.each<[string, unknown]>([
    ["args.n > 5", { n: Number.NaN }],
    ["args.n > 5", { n: null }],
    ["args.n > 5", { n: "6" }],
    ["args.n > 5", { n: [6] }],
    ["args.n > 5", {}],
    ["args.n > 5", null],
    ["args.n > 5", undefined],
    ["args.n > 5", "text"],
    ["args.n > 5", []],
    ["args.n > 5", { n: undefined }],
    ["args.n > 5", { n: () => 6 }],
    ["args.n > 5", { n: new Date(6) }],
    ["args.n", { n: "true" }],
    ["args.n", { n: 1 }],
    ["args.n + 1 > 0", { n: 9223372036854775807n }],
    ["args.n * 2 > 0", { n: 2 ** 63 }],
    ["args.n.startsWith('a')", { n: 1 }],
    ["args.n.all(x, x > 0)", { n: [1, "a"] }],
    ["args.n[3] == 1", { n: [1] }],
    ["int(args.n) == 1", { n: "1e0" }],
    ["timestamp(args.n) > timestamp(0)", { n: "2026-02-30T00:00:00Z" }],
    ["args.n.matches(args.p)", { n: "a", p: "(" }],
    ["args.n.matches(args.p)", { n: "a", p: "(a+)+(?=b)" }],
  ])("%s denies what does not suit it (%#)", (when, args) => {
    expect(verdict(when, args)).toBe("deny");
    // The same under a forbid: a failing rule must not let the call pass.
    const set = load(
      `policies:\n  - {id: all, effect: permit, tools: ["*"]}\n  - {id: no, effect: forbid, tools: ["*"], reason: no, when: ${JSON.stringify(`!(${when})`)}}\n`,
      [OPEN],
    );
    expect(set.decide(call(OPEN, args)).verdict).toBe("deny");
  });

  it("keeps integers exact", () => {
    expect(valueOf("a == 9007199254740993 && a != 9007199254740992", { a: 9007199254740993n })).toBe(true);
    expect(valueOf("a + 1 == 9007199254740994", { a: 9007199254740993n })).toBe(true);
    expect(valueOf("a == 5 && 5 == a && a in [5] && {5: 'x'}[a] == 'x' && a < 6", { a: 5n })).toBe(true);
    expect(faultOf("a + 1", { a: 9223372036854775807n })).toBe("overflow");
  });

  it("survives facts that are not what they say", () => {
    const set = load(permit("true"));
    expect(set.decide({} as never).verdict).toBe("deny");
    expect(set.decide(undefined as never).verdict).toBe("deny");
    expect(set.mayList(undefined as never, undefined as never)).toBe(false);
    const thrower = {
      get subject(): string {
        throw new Error("no");
      },
    };
    expect(load(permit("args.subject == 'x'")).decide(call(MAIL, thrower)).verdict).toBe("deny");
  });

  it("evaluates twice over one program, one inside the other", () => {
    const program = prepareUnchecked("l.all(x, t && l.exists(y, y == x))", environmentOf({ l: 0, t: 0 }));
    const inner = { l: [1, 2, 3], t: true };
    const outer = {
      l: [7, 8],
      get t(): boolean {
        return evaluate(program, inner).ok;
      },
    };
    expect(evaluate(program, outer)).toEqual({ ok: true, value: true });
  });

  it("tells nothing of values in its faults", () => {
    const secret = "hunter2hunter2";
    for (const text of [
      "int(s)",
      "timestamp(s)",
      "duration(s)",
      "ip(s)",
      "url(s)",
      "emailDomain(s)",
      "s.matches('(' + s)",
      "s + 1",
      "m[s]",
      "'%d'.format([s])",
    ]) {
      const outcome = runUnchecked(text, { s: secret, m: {} });
      expect(outcome.ok).toBe(false);
      expect(JSON.stringify(outcome)).not.toContain(secret);
    }
    expect(run("true").ok).toBe(true);
  });
});
