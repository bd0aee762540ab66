import type { JsonObject } from "@callgate/core";
import { formatDiagnostic } from "@callgate/core";
import { describe, expect, it } from "vitest";
import { loadPolicies } from "../src/index.ts";
import { call, load, permit, tool } from "./facts.ts";

const SCHEMA: JsonObject = {
  $defs: {
    money: {
      type: "object",
      properties: { value: { type: "number" }, currency: { enum: ["EUR", "USD"] } },
      required: ["value", "currency"],
      additionalProperties: false,
    },
    tree: {
      type: "object",
      properties: { name: { type: "string" }, children: { type: "array", items: { $ref: "#/$defs/tree" } } },
      additionalProperties: false,
    },
  },
  type: "object",
  properties: {
    price: { $ref: "#/$defs/money" },
    tree: { $ref: "#/$defs/tree" },
    rate: { type: "number" },
    maybe: { type: ["number", "null"] },
    rates: { type: "array", items: { type: "number" } },
    count: { type: "integer" },
    target: {
      oneOf: [
        { type: "string" },
        { type: "object", properties: { user: { type: "string" } }, required: ["user"], additionalProperties: false },
        {
          type: "object",
          properties: { group: { type: "integer" } },
          required: ["group"],
          additionalProperties: false,
        },
      ],
    },
    items: {
      type: "array",
      items: {
        type: "object",
        properties: { sku: { type: "string" }, qty: { type: "integer" } },
        required: ["sku", "qty"],
        additionalProperties: false,
      },
    },
    open: { type: "object", properties: { known: { type: "string" } }, additionalProperties: true },
    headers: { type: "object", additionalProperties: { type: "string" } },
    anything: {},
    mode: { const: "fast" },
    both: {
      allOf: [
        { type: "object", properties: { a: { type: "string" } } },
        { type: "object", properties: { b: { type: "integer" } } },
      ],
    },
    pair: { type: "array", prefixItems: [{ type: "string" }, { type: "integer" }], items: false },
    broken: { $ref: "#/$defs/%zz" },
  },
  required: [
    "price",
    "tree",
    "rate",
    "maybe",
    "rates",
    "count",
    "target",
    "items",
    "open",
    "headers",
    "anything",
    "mode",
    "both",
    "pair",
  ],
};
const SHOP = tool("shop__buy", SCHEMA);

const ARGS = {
  price: { value: 12, currency: "EUR" },
  tree: { name: "root", children: [{ name: "leaf", children: [] }] },
  rate: 3,
  maybe: 2,
  rates: [1, 2.5],
  count: 4,
  target: { user: "ann" },
  items: [{ sku: "x", qty: 2 }],
  open: { known: "k", other: 1 },
  headers: { accept: "json" },
  anything: { deep: [1] },
  mode: "fast",
  both: { a: "x", b: 1 },
  pair: ["x", 1],
};

function findings(when: string): string[] {
  const loaded = loadPolicies([{ file: "p.yaml", text: permit(when) }], [SHOP]);
  return loaded.ok
    ? []
    : loaded.diagnostics.map((d) =>
        formatDiagnostic(d)
          .replace(/^p.yaml:\d+:\d+: /, "")
          .replace(" (for tool `shop__buy`)", ""),
      );
}

describe("types from an input schema", () => {
  it.each([
    "args.price.value * 2.0 > 20.0",
    "args.price.value > 10 && args.price.value <= 12",
    "args.rate / 2.0 == 1.5 && args.rate + args.price.value == 15.0",
    "args.maybe != null && args.maybe * 2.0 == 4.0",
    "args.rates.all(r, r * 2.0 >= 2.0) && args.rates[0] / 2.0 == 0.5",
    "args.rates.exists(r, r == 1) && 1 in args.rates && 1.0 in args.rates",
    "math.ceil(args.rate) == 3.0 && string(args.rate) == '3' && type(args.rate) == double",
    "type(args.count) == int && args.count / 3 == 1 && args.count % 3 == 1",
    "[args.rate].map(x, x / 2.0) == [1.5] && {'r': args.rate}.r / 2.0 == 1.5",
    "cel.bind(r, args.rate, r / 2.0 == 1.5)",
    "args.anything.deep[0] + 1 == 2 && args.anything.deep[0] * 1.5 == 1.5",
    "args.price.currency in ['EUR', 'USD']",
    "args.tree.children.exists(c, c.name == 'leaf' && c.children.size() == 0)",
    "has(args.target.user) && args.target.user == 'ann'",
    "args.items.all(i, i.qty < 10 && i.sku.size() == 1)",
    "args.open.known == 'k' && args.open.other == 1",
    "args.headers.accept == 'json' && args.headers['accept'].startsWith('j') && !has(args.headers.host)",
    "args.both.a == 'x' && args.both.b == 1",
    "args.pair[0] == 'x' && args.pair[1] == 1",
    "args.mode == 'fast'",
    "args.?open.?other.orValue(0) == 1",
    "args.size() == 14 && args.exists(k, k == 'rate')",
  ])("accepts and evaluates %s", (when) => {
    expect(findings(when)).toEqual([]);
    const decision = load(permit(when), [SHOP]).decide(call(SHOP, ARGS));
    expect(decision.errors).toEqual([]);
    expect(decision.verdict).toBe("allow");
  });

  it.each([
    ["args.price.valu > 1", "`args.price` has no field `valu`\n  help: did you mean `value`?"],
    ["args.price.value.x > 1", "`args.price.value` is a double and has no fields"],
    ["args.items.all(i, i.quantity < 10)", "`i` has no field `quantity`\n  help: its fields: `sku`, `qty`"],
    ["args.items[0].skus == 'x'", "`this value` has no field `skus`\n  help: did you mean `sku`?"],
    ["args['cuont'] == 1", "`args` has no field `cuont`\n  help: did you mean `count`?"],
    ["args.items.qty == 1", "`args.items` is a list<object args.items[]> and has no fields"],
    ["args.target.name == 'x'", "`args.target` has no field `name`\n  help: its fields: `user`, `group`"],
    ["args.tree.children.exists(c, c.nam == 'x')", "`c` has no field `nam`\n  help: did you mean `name`?"],
    [
      "args.count == 'x'",
      "`==` does not take an int and a string\n  help: convert one side with `string(…)`, or drop the quotes",
    ],
    [
      "args.count + args.rate > 1.0",
      "`+` does not take an int and a double\n  help: convert one side with `double(…)` or `int(…)`",
    ],
    [
      "args.count == null",
      "`==` does not take an int and a null\n  help: it is never null: ask whether a field is there with `has(…)`",
    ],
    [
      "args.rates.contains(1.0)",
      "there is no `list<double>.contains(double)`\n  help: it takes `string.contains(string)`",
    ],
    ["args.count.all(x, x > 1)", "an int has no elements to go through\n  help: macros go through lists and maps"],
    ["args.rates.all(r, r)", "`all` takes a bool, but this is a double"],
    [
      "args.rates.all(r.x, true)",
      "the first argument of this macro must be a plain name\n  help: write for example `list.all(x, x > 0)`",
    ],
    ["args.count && true", "`&&` takes a bool, but this is an int"],
    ["'x' in args.count", "`in` does not take a string and an int\n  help: the right side must be a list or a map"],
    ["has(args)", "`has` takes a field\n  help: write for example `has(args.to)`"],
    [
      "args.headers.accept == 1",
      "`==` does not take a string and an int\n  help: convert one side with `string(…)`, or drop the quotes",
    ],
    ["math.cell(args.rate) > 1.0", "unknown function `math.cell`\n  help: did you mean `math.ceil`?"],
    ["startsWith(args.mode, 'x')", "`startsWith` is not called this way\n  help: write `value.startsWith(…)`"],
    ["session.label == []", "`session` has no field `label`\n  help: did you mean `labels`?"],
    ["origin.args == 1", "unknown fact `origin`\n  help: known facts: `principal`, `tool`, `args`, `session`"],
  ])("refuses %s", (when, message) => {
    const found = findings(when);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  it("survives a schema that refers to itself many times over", () => {
    const node: JsonObject = {
      type: "object",
      properties: Object.fromEntries("abcdefgh".split("").map((k) => [k, { $ref: "#/$defs/node" }])),
    };
    const wild = tool("wild__tool", {
      $defs: { node },
      type: "object",
      properties: { root: { $ref: "#/$defs/node" } },
    });
    expect(
      load(permit("has(args.root.a.b.c)"), [wild]).decide(call(wild, { root: { a: { b: { c: {} } } } })).verdict,
    ).toBe("allow");
  });

  it("reports every defect of a rule once", () => {
    expect(findings("args.a == 1 && args.b == 2 && args.a == 3").length).toBeGreaterThanOrEqual(2);
  });

  it("gives a value of the wrong type no type of its own choosing", () => {
    const set = load(permit("args.count < 10"), [SHOP]);
    const verdict = (count: unknown) => set.decide(call(SHOP, { ...ARGS, count })).verdict;
    expect(verdict(5)).toBe("allow");
    expect(["5", null, [5], {}, true].map(verdict)).toEqual(["deny", "deny", "deny", "deny", "deny"]);
  });
});
