import { canonicalJson, type LedgerRecord, type ToolFacts } from "@callgate/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadPolicies, recordedCall, type SuggestReport, suggestPolicies } from "../src/index.ts";
import { call, MAIL, tool } from "./facts.ts";

const FETCH = tool("web__fetch", undefined, { scopes: ["web:read"] });
const WRITE = tool("files__write", {
  type: "object",
  properties: { path: { type: "string" }, append: { type: "boolean" }, mode: { type: "string" } },
  required: ["path"],
  additionalProperties: false,
});
const TOOLS = [MAIL, FETCH, WRITE];
const AGENTS = [{ name: "demo", roles: ["reader"], scopes: ["web:read", "mail:send"] }];
const PERMIT_ALL = 'policies:\n  - id: all\n    effect: permit\n    tools: ["*"]\n';

type Kept = { readonly record: LedgerRecord; readonly payloads: { readonly [name: string]: string } };
type Status = LedgerRecord["status"];

/** The records of calls as a broker keeps them. A status of `denied` leaves a denial, none an intent alone. */
function recordsOf(
  calls: readonly {
    readonly tool: ToolFacts;
    readonly args: unknown;
    readonly status?: Status | "denied";
    readonly untrusted?: boolean;
  }[],
): Kept[] {
  const records: Kept[] = [];
  for (const [i, { tool: of, args, status, untrusted }] of calls.entries()) {
    const facts = call(of, {}, untrusted ? { session: { ...call(of, {}).session, labels: ["untrusted"] } } : {});
    const { server, name, digest, inputSchema: _, ...rest } = of;
    const { args: __, ...kept } = { ...facts, tool: rest };
    const base = { v: 2, log: "l", prev: digest, boot: "b", ts: "2026-03-01T12:00:00.000Z", mono: 1 } as const;
    const of2 = { agent: "demo", session: "ses_1", call: `call_${i}`, tool: { server, name, digest } };
    const put = (kind: LedgerRecord["kind"], more: Partial<LedgerRecord>, payloads: Kept["payloads"]): void =>
      void records.push({ record: { ...base, ...of2, ...more, kind, seq: records.length + 1 }, payloads });
    const payloads = { args: canonicalJson(args), facts: JSON.stringify(kept) };
    put(status === "denied" ? "denial" : "intent", {}, payloads);
    if (status !== undefined && status !== "denied") put("outcome", { status }, {});
  }
  return records;
}

function suggest(records: readonly Kept[], least = 3): SuggestReport {
  const place = { tools: TOOLS, agents: AGENTS, policies: [{ file: "all.yaml", text: PERMIT_ALL }], settings: {} };
  return suggestPolicies(() => records, place, { least, complete: true });
}

/** The condition suggested for calls of one tool that all ended well. */
function whenOf(of: ToolFacts, all: readonly unknown[]): string[] | undefined {
  const report = suggest(recordsOf(all.map((args) => ({ tool: of, args, status: "ok" as const }))));
  return report.suggestions[0]?.when?.split(" && ");
}

const times = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

describe("bounds", () => {
  it("are enumerations, where a few texts recur", () => {
    expect(
      whenOf(
        FETCH,
        times(6, (i) => ({ q: i % 2 ? "a" : 'b"\\' })),
      ),
    ).toContain('args.q in ["a", "b\\"\\\\"]');
    expect(
      whenOf(
        FETCH,
        times(3, (i) => ({ q: `text ${i}` })),
      ),
    ).toEqual(['args.all(name, name in ["q"])']);
    expect(
      whenOf(
        FETCH,
        times(2, () => ({ q: "a" })),
      ),
    ).toBeUndefined();
  });

  it("are hosts and folders of URLs", () => {
    const when = whenOf(
      FETCH,
      times(9, (i) => ({ u: `https://api.example.com/v1/items/${i}?q=${i}` })),
    );
    expect(when).toEqual([
      "has(args.u)",
      "isURL(args.u)",
      'url(args.u).scheme() == "https"',
      'url(args.u).host() == "api.example.com"',
      "url(args.u).port() == 443",
      'pathUnder(url(args.u).path(), "/v1/items")',
      'args.all(name, name in ["u"])',
    ]);
    const hosts = whenOf(
      FETCH,
      times(9, (i) => ({ u: `http://h${i % 3}.example:80${i % 2}/${i}` })),
    );
    expect(hosts).toContain('url(args.u).host() in ["h0.example", "h1.example", "h2.example"]');
    expect(hosts).toContain("url(args.u).port() in [800, 801]");
  });

  it("are folders of paths, domains of addresses, and prefixes", () => {
    expect(
      whenOf(
        WRITE,
        times(9, (i) => ({ path: `/srv/notes/${i}/a.txt` })),
      )?.[0],
    ).toBe('pathUnder(args.path, "/srv/notes")');
    expect(
      whenOf(
        WRITE,
        times(9, (i) => ({ path: `../${i}/a.txt` })),
      ),
    ).toEqual(["!has(args.append)", "!has(args.mode)"]);
    const to = times(9, (i) => ({ to: [`u${i}@Example.com`, `v${i}@corp.example`], subject: `ticket:${i}` }));
    expect(whenOf(MAIL, to)).toEqual([
      'args.subject.startsWith("ticket:")',
      "size(args.to) == 2",
      'args.to.all(x, emailDomain(x) in ["corp.example", "example.com"])',
      ...["cc", "priority", "amount", "count", "note", "meta"].map((name) => `!has(args.${name})`),
    ]);
  });

  it("are ranges, sizes, constants, and what is absent; an argument that comes and goes is bounded where it is there", () => {
    const when = whenOf(
      MAIL,
      times(8, (i) => ({
        to: times((i % 3) + 1, (j) => `free text ${i} ${j}`),
        subject: `s${i}`,
        ...(i % 2 && { count: i }),
        amount: i === 0 ? 0.5 : i,
        note: i % 2 ? null : `n${i % 4}`,
        meta: { thread: "t" },
      })),
    );
    expect(when?.join(" && ")).toBe(
      [
        "has(args.amount) && args.amount >= 0.5 && args.amount <= 7",
        'has(args.meta) && has(args.meta.thread) && args.meta.thread == "t"',
        'has(args.note) && (args.note == null || args.note in ["n0", "n2"])',
        "size(args.to) >= 1 && size(args.to) <= 3",
        "(!has(args.count) || (args.count >= 1 && args.count <= 7))",
        "!has(args.cc) && !has(args.priority)",
      ].join(" && "),
    );
  });

  it("are not made from what differs in kind, and read odd names safely", () => {
    const when = whenOf(
      FETCH,
      times(6, (i) => ({ a: i % 2 ? "x" : 1, 'od"d\n': true, in: false })),
    );
    expect(when).toEqual([
      '"in" in args',
      'args["in"] == false',
      '"od\\"d\\u000a" in args',
      'args["od\\"d\\u000a"] == true',
      'args.all(name, name in ["a", "in", "od\\"d\\u000a"])',
    ]);
  });
});

it("learns from calls that were made and ended well, and tells what they were", () => {
  const report = suggest(
    recordsOf([
      { tool: FETCH, args: { u: "a" }, status: "ok", untrusted: true },
      { tool: FETCH, args: { u: "b" }, status: "ok" },
      { tool: FETCH, args: { u: "never" }, status: "error" },
      { tool: WRITE, args: { path: "x" }, status: "denied" },
      { tool: MAIL, args: { to: [], subject: "s" } },
    ]),
  );
  expect(report.suggestions).toMatchObject([
    {
      id: "suggest-demo-web-fetch",
      agent: "demo",
      tool: "web__fetch",
      calls: 2,
      first: 1,
      last: 3,
      examples: [1, 3],
      untrusted: 1,
    },
  ]);
  expect(report.passedOver).toEqual([
    { reason: "the outcome was `error`", calls: 1 },
    { reason: "no outcome was met", calls: 1 },
  ]);
  expect(report.scopes).toEqual([
    { agent: "demo", granted: ["web:read", "mail:send"], needed: ["web:read"], removable: ["mail:send"] },
  ]);
  expect(report.unused).toEqual([{ agent: "demo", tool: "files__write", policies: "always" }]);
  expect(report.text).toContain("1 of them in sessions that had seen untrusted content");
  expect(report.text).toContain("#   demo: mail:send\n");
});

it("leaves out a bound that a call does not keep to by the engine, and keeps the others", () => {
  // As WHATWG reads it, the third is below `/v1` too; who decodes it goes elsewhere, so that `pathUnder` says no.
  const calls = ["a", "b", "%2e%2e%2fc"].map((end) => ({ u: `https://a.example/v1/${end}` }));
  const when = whenOf(FETCH, calls);
  expect(when).toContain('url(args.u).host() == "a.example"');
  expect(when?.join()).not.toContain("pathUnder");
});

const hostile = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    '"}\n  - id: all\n    effect: permit\n    tools: ["*"]\n#',
    "' || true || '",
    '" || true || "',
    "\\",
    '\\" || true //',
    "\u0085\u2028\u202e\u{e0001}",
    "%{x}: &a *b !!js",
    "https://a.example/x/y",
    "https://a.example/x/../../y",
    "https://b@a.example:99/x",
    "/srv/a/b",
    "/srv/a/%2e%2e/b",
    "a@b.example",
    "A <a@b.example>",
    "x:1",
    "x:2",
    "",
  ),
);
const value = fc.oneof(
  hostile,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.boolean(),
  fc.constant(null),
  fc.array(hostile, { maxLength: 4 }),
  fc.array(fc.integer(), { maxLength: 4 }),
  fc.dictionary(fc.constantFrom("a", "b"), fc.oneof(hostile, fc.integer()), { maxKeys: 2 }),
);
const name = fc.oneof(
  fc.constantFrom("a", "b", "in", "for", "__proto__", "constructor", 'x"] || true || args["y', "\n#"),
  fc.string(),
);
const args = fc.dictionary(name, value, { maxKeys: 4, noNullPrototype: true });
/** Arguments of one shape, of which a few values recur: else there would be no bounds. */
const habit = fc
  .tuple(fc.array(args, { minLength: 1, maxLength: 4 }), fc.array(fc.nat(3), { minLength: 1, maxLength: 12 }))
  .map(([few, picks]) => picks.map((i) => few[i % few.length]));

it("allows every call that it was learned from, and holds nothing but permits, whatever agents sent", () => {
  let bounds = 0;
  fc.assert(
    fc.property(habit, fc.integer({ min: 1, max: 4 }), fc.boolean(), (calls, least, typed) => {
      const of = typed
        ? tool("web__fetch", { type: "object", properties: { a: {}, b: { type: ["string", "number"] } } })
        : FETCH;
      const tools = [MAIL, of, WRITE];
      const kept = recordsOf(calls.map((one) => ({ tool: of, args: one, status: "ok" as const })));
      const place = { tools, agents: AGENTS, policies: [], settings: {} };
      const { text, suggestions } = suggestPolicies(() => kept, place, { least, complete: true });
      expect(text).toMatch(/^[\x20-\x7e\n]*$/);
      const { policies } = parse(text) as { policies: Record<string, unknown>[] };
      expect(policies).toHaveLength(1);
      expect(policies[0]).toMatchObject({ effect: "permit", agents: ["demo"], tools: ["web__fetch"] });
      const loaded = loadPolicies([{ file: "s.yaml", text }], tools);
      if (!loaded.ok) throw new Error(loaded.diagnostics.map(({ message }) => message).join("\n"));
      const facts = new Map(tools.map((one) => [one.qualified, one]));
      for (const { record, payloads } of kept) {
        const recorded = recordedCall(record, payloads, facts);
        if ("call" in recorded) expect(loaded.set.decide(recorded.call).verdict).toBe("allow");
      }
      bounds += suggestions[0]?.when === undefined ? 0 : 1;
    }),
    { numRuns: Number(process.env["POLICY_FUZZ"] ?? 400) },
  );
  expect(bounds).toBeGreaterThan(50);
});
