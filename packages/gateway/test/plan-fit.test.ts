import { runInNewContext } from "node:vm";
import { parseJson, stringifyJson } from "@callgate/core";
import { planOf } from "@callgate/sandbox";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { beyond } from "../src/sandboxed/plan-fit.ts";
import { planText } from "../src/sandboxed/plan-text.ts";

const SEND = { server: "mail", name: "send", qualified: "mail__send" };

/** Whether a call fits the plan of a script. `args` is JSON text, as a guest sends it. */
function fits(script: string, args: string): boolean {
  return beyond(planOf(script), SEND, parseJson(args)) === undefined;
}

/** A value as a script may write it down, so that reading the text gives it back; more ways than one. */
function written(value: unknown, way: number): string {
  const inner = (one: unknown, i: number): string => written(one, (way >> 1) + i);
  if (typeof value === "bigint") return way % 2 ? `${value}n` : value < 0n ? `-${-value}n` : `${value}n`;
  if (typeof value === "number") return way % 3 === 1 ? `+${value}`.replace("+-", "-") : String(value);
  if (typeof value === "string") {
    if (way % 4 === 1) return `(${JSON.stringify(value.slice(0, 1))} + ${JSON.stringify(value.slice(1))})`;
    if (way % 4 === 2) return `\`${value.replace(/[\\`$]/g, "\\$&").replaceAll("\r", "\\r")}\``;
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(inner).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, one], i) => `${JSON.stringify(key)}: ${inner(one, i)}`)
      .join(", ")} }`;
  return String(value);
}

const key = fc.string({ maxLength: 6 }).filter((name) => name !== "__proto__" && name !== "toJSON");
const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string({ maxLength: 8 }).filter((text) => text.slice(0, 1).isWellFormed()),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("any"), { maxLength: 3 }),
    fc.dictionary(key, tie("any"), { maxKeys: 3 }),
  ),
})).any;

/** One part of an object as a script writes it. */
const part = fc.oneof(
  fc.record({ kind: fc.constantFrom("literal", "computed", "named by a value"), key, value, way: fc.nat(63) }),
  fc.record({ kind: fc.constant("spread"), value: fc.dictionary(key, value, { maxKeys: 3 }) }),
);
type Part = {
  readonly kind: string;
  readonly key?: string;
  readonly value: unknown;
  readonly way?: number;
};

/** A script that calls `mail__send` with an object of these parts, and what it sends, by running it. */
function made(parts: readonly Part[]): { script: string; sent: string } {
  const source = parts.map((one, i) => {
    if (one.kind === "spread") return `...values[${i}]`;
    if (one.kind === "literal") return `${JSON.stringify(one.key)}: ${written(one.value, one.way ?? 0)}`;
    return one.kind === "computed" ? `${JSON.stringify(one.key)}: values[${i}]` : `[names[${i}]]: values[${i}]`;
  });
  const object = `{ ${source.join(", ")} }`;
  const args: unknown = runInNewContext(`"use strict"; (${object})`, {
    values: parts.map((one) => one.value),
    names: parts.map((one) => one.key),
  });
  return { script: `await tools.mail.send(${object})`, sent: stringifyJson(args) };
}

describe("a call under an approved plan", () => {
  it("fits with whatever arguments its place in the text can give", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const { script, sent } = made(parts);
        expect(fits(script, sent), `${script} sends ${sent}`).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("does not fit with an argument that the text does not name, nor with another value for one that stands there", () => {
    const bound = fc.uniqueArray(
      fc.record({ kind: fc.constantFrom("literal", "computed"), key, value, way: fc.nat(63) }),
      { maxLength: 4, selector: (one) => one.key },
    );
    fc.assert(
      fc.property(bound, key, value, (parts, added, other) => {
        const { script, sent } = made(parts);
        const args = parseJson(sent) as Record<string, unknown>;
        const with_ = (name: string, one: unknown): string => stringifyJson({ ...args, [name]: one });
        if (!parts.some((one) => one.key === added)) expect(fits(script, with_(added, other)), script).toBe(false);
        for (const one of parts.filter(({ kind }) => kind === "literal")) {
          expect(fits(script, with_(one.key, [one.value])), script).toBe(false);
          const { [one.key]: _left, ...others } = args;
          expect(fits(script, stringifyJson(others)), script).toBe(false);
        }
        for (const one of parts.filter(({ kind }) => kind === "computed"))
          expect(fits(script, with_(one.key, other)), script).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ["{ to: 'ann' }", '{"to":"ann","bcc":"eve"}', false],
    ["{ to: ['ann'] }", '{"to":["ann","eve"]}', false],
    ["{ at: { a: 1, b: 2 } }", '{"at":{"b":2,"a":1}}', true],
    ["{ n: 5n }", '{"n":5}', true],
    ["{ n: 9007199254740993n }", '{"n":9007199254740993}', true],
    ["{ n: 9007199254740993n }", '{"n":9007199254740992}', false],
    ["{ n: 5 }", '{"n":"5"}', false],
    ["{ n: 1e21 }", '{"n":1e+21}', true],
    ["{ n: -0 }", '{"n":0}', true],
    ["{ to: 'a', to: 'b' }", '{"to":"b"}', true],
    ["{ to: 'a', to: 'b' }", '{"to":"a"}', false],
    ["{ to: 'ann', bcc: x }", '{"to":"ann"}', true],
    ["{ ...x, to: 'ann' }", '{"to":"ann","bcc":"eve"}', true],
    ["{ ...x, to: 'ann' }", '{"to":"eve"}', false],
    ["{ to: 'ann' }", '{"to":"\\ud800"}', false],
    ["{}", '{"__proto__":1}', false],
    ["{ constructor: x }", '{"toString":1}', false],
    ["", "{}", true],
    ["", '{"to":"eve"}', false],
  ])("with %s and %s: %s", (text, sent, expected) => {
    expect(fits(`await tools.mail.send(${text})`, sent)).toBe(expected);
  });

  it("may fit any place that the plan shows, and a place of another tool is none", () => {
    const script =
      "tools.mail.send({ to: 'ann' }); tools.mail.send({ to: 'bob', cc: x }); tools.mail.drop({ to: 'eve' })";
    expect(fits(script, '{"to":"bob","cc":1}')).toBe(true);
    expect(fits(script, '{"to":"ann","cc":1}')).toBe(false);
    expect(fits(script, '{"to":"eve"}')).toBe(false);
  });

  it("runs no other script", () => {
    const plan = planOf("await tools.callgate.run_code({ code: 'return 1' })");
    const tool = { server: "callgate", name: "run_code", qualified: "callgate__run_code" };
    expect(beyond(plan, tool, { code: "return 1" })).toContain("no other script");
  });
});

describe("a plan as it is shown", () => {
  const shown = (script: string): string => {
    const plan = planText(planOf(script), (name) => name === "mail__send");
    return "text" in plan ? plan.text : plan.tooMuch;
  };

  it("has each place with all of its arguments", () => {
    const long = "pay ".repeat(500);
    expect(
      shown(
        `tools.mail.send({ to: ["ann"], n: -5n, "b c": \`x\`, why: x, ...y });\ntools.mail.send({ text: "${long}" })`,
      ),
    ).toBe(
      [
        "the script can call:",
        'line 1: mail__send(to: …, n: …, "b c": …, why: …, ...)',
        `line 2: mail__send(text: "${long}")`,
      ].join("\n"),
    );
    expect(shown('tools.mail.send({ to: ["ann"], n: -5n, "b c": `x`, why: x })')).toContain(
      'mail__send(to: ["ann"], n: -5, "b c": "x", why: …)',
    );
    expect(shown("return 1")).toBe("the script calls no tool");
    expect(shown("const t = tools")).toContain("cannot be read from its text");
  });

  it("cannot be made to say more than it does", () => {
    const forged = "mail__send() in line 1.\nline 2: checked by security";
    for (const script of [
      `tools[${JSON.stringify(forged)}]["x"]({})`,
      `tools.mail[${JSON.stringify(forged)}]({})`,
      `tools.mail.send({ ${JSON.stringify(forged)}: 1 })`,
      `tools.mail.send({ ${JSON.stringify(forged)}: x })`,
      `tools.mail.send({ to: ${JSON.stringify(forged)} })`,
      "tools.mail.s\u00e9nd({})",
      'tools.mail.send({ to: "\u202e\u2028line 2: checked by security" })',
    ]) {
      const text = shown(script);
      expect(text.split("\n"), text).toHaveLength(2);
      expect(text.replace(/"(?:[^"\\]|\\.)*"/g, "quoted"), text).not.toContain("security");
      expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }
    expect(shown('tools["x y"].z({})')).toContain('"x y__z"() (no such tool)');
    expect(shown("tools.mail.sent({})")).toContain("mail__sent() (no such tool)");
  });

  it("is refused where it is more than a person would read, and not cut", () => {
    expect(shown("tools.mail.send({});".repeat(101))).toBe("calls tools in 101 places, and 100 are shown at most");
    expect(shown("tools.mail.send({});".repeat(100)).split("\n")).toHaveLength(101);
    expect(shown(`tools.mail.send({ to: "${"x".repeat(8000)}" })`)).toMatch(/^takes \d+ characters to show/);
  });
});
