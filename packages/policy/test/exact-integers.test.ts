import { parseJson } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { readCall, SessionFlow } from "../src/index.ts";
import { faultOf, valueOf } from "./evaluate.ts";
import { call, load, permit, tool } from "./facts.ts";

const ID = "9007199254740993";
const SCHEMAS = {
  integer: { type: "object", properties: { id: { type: "integer" } }, required: ["id"] },
  number: { type: "object", properties: { id: { type: "number" } }, required: ["id"] },
  none: undefined,
} as const;

describe.each(Object.entries(SCHEMAS))("an integer argument beyond 2^53 under a schema of type %s", (_, schema) => {
  const of = tool("bank__pay", schema);
  const verdict = (when: string, id: string): string =>
    load(permit(when), [of]).decide(call(of, parseJson(`{"id":${id}}`))).verdict;

  it.each([
    [`args.id == ${ID}`, ID, "allow"],
    [`args.id == ${ID}`, "9007199254740992", "deny"],
    [`args.id in [${ID}]`, "9007199254740994", "deny"],
    [`args.id in [1, ${ID}]`, ID, "allow"],
    [`args.id < ${ID}`, "9007199254740992", "allow"],
    [`args.id < ${ID}`, ID, "deny"],
    [`args.id <= 9223372036854775807`, "9223372036854775807", "allow"],
    [`args.id <= 9223372036854775807`, "9223372036854775808", "deny"],
    [`args.id > 9223372036854775807`, `1${"0".repeat(30)}`, "allow"],
    [`args.id < 0`, `-1${"0".repeat(30)}`, "allow"],
    [`args.id == -${ID}`, `-${ID}`, "allow"],
    [`string(args.id) == "${ID}"`, ID, "allow"],
  ])("%s of %s: %s", (when, id, expected) => {
    expect(verdict(when, id)).toBe(expected);
  });
});

describe("an integer beyond 64 bits", () => {
  const facts = { n: 10n ** 30n };
  it.each([
    "n + 1",
    "n - 1",
    "n * 2",
    "-n",
    "int(n)",
    "uint(n)",
    "timestamp(n)",
    "math.bitAnd(n, 1)",
    "math.bitNot(n)",
    "math.bitShiftRight(n, 1)",
  ])("makes %s an error", (expression) => {
    expect(faultOf(expression, facts)).toMatch(/overflow|invalid|range/);
  });

  it.each([
    ["n > 9223372036854775807", true],
    ["n == 1", false],
    ["n == n && n in [n]", true],
    [`string(n) == "1${"0".repeat(30)}"`, true],
  ])("compares by its value: %s", (expression, value) => {
    expect(valueOf(expression, facts)).toBe(value);
  });
});

it("is exact in a case, in a rewrite, and where a value was seen", () => {
  const pay = tool("bank__pay");
  const read = readCall(
    {
      file: "call.yaml",
      text: `principal: demo\ntool: bank__pay\nargs: { id: ${ID}, hex: 0x20000000000001, n: 7, f: 1e20 }\n`,
    },
    { tools: [pay], agents: { demo: { roles: [], scopes: [] } } },
  );
  expect(read.call?.args).toEqual({ id: 9007199254740993n, hex: 9007199254740993n, n: 7, f: 10n ** 20n });

  const rewriting = `policies:\n  - id: rule\n    effect: permit\n    tools: ["*"]\n    obligations: [{ kind: rewrite, path: $.id, value: { a: [${ID}, 7] } }]\n`;
  const [obligation] = load(rewriting, [pay]).decide(call(pay, {})).obligations;
  expect(obligation).toMatchObject({ kind: "rewrite", value: { a: [9007199254740993n, 7] } });

  const flow = new SessionFlow();
  flow.trust("accounts", `{"id": ${ID}}`);
  expect(flow.facts("pay", { id: 9007199254740993n }).origins[ID]).toContain("trusted:accounts");
  expect(flow.facts("pay", { id: 9007199254740992n }).origins["9007199254740992"]).toEqual(["model"]);
});
