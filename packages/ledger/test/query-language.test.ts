import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatQuery, parseQuery, type Query, type Term } from "../src/index.ts";

const NOW = Date.parse("2026-03-05T10:30:00.000Z");
const parse = (text: string): Query => {
  const parsed = parseQuery(text, NOW);
  if (!parsed.ok) throw new Error(`${parsed.column}: ${parsed.message}`);
  return parsed.query;
};
const is = (...values: string[]) => values.map((value) => ({ is: value }));

describe("parseQuery", () => {
  it.each<[string, Term[]]>([
    ["", []],
    ["   ", []],
    ["agent:bot", [{ field: "agent", any: is("bot") }]],
    ["Agent=bot", [{ field: "agent", any: is("bot") }]],
    ["tool:mail__*", [{ field: "tool", any: [{ like: "mail__*" }] }]],
    ["tool:b[o]?", [{ field: "tool", any: [{ like: "b[[]o]?" }] }]],
    ["agent:b[o]t", [{ field: "agent", any: is("b[o]t") }]],
    ['agent:"my bot"', [{ field: "agent", any: is("my bot") }]],
    ['agent:"b*t"', [{ field: "agent", any: is("b*t") }]],
    ['agent:"my *"*', [{ field: "agent", any: [{ like: "my [*]*" }] }]],
    ['agent:"say \\"a\\\\b\\""', [{ field: "agent", any: is('say "a\\b"') }]],
    ["verdict:deny,hold", [{ field: "verdict", any: is("deny", "hold") }]],
    ["verdict:DENY", [{ field: "verdict", any: is("deny") }]],
    ["verdict:*", [{ field: "verdict", any: is("allow", "deny", "hold") }]],
    ["kind:*al", [{ field: "kind", any: is("denial", "approval", "seal") }]],
    ["-agent:bot", [{ field: "agent", not: true, any: is("bot") }]],
    ["!agent:bot", [{ field: "agent", not: true, any: is("bot") }]],
    ["NOT agent:bot", [{ field: "agent", not: true, any: is("bot") }]],
    ["--agent:bot", [{ field: "agent", any: is("bot") }]],
    [
      "agent:a AND status:ok",
      [
        { field: "agent", any: is("a") },
        { field: "status", any: is("ok") },
      ],
    ],
    ["error:*", [{ field: "error", any: [{ like: "*" }] }]],
    [
      "rule:a rule:b",
      [
        { field: "rule", any: is("a") },
        { field: "rule", any: is("b") },
      ],
    ],
    ["seq:5", [{ field: "seq", any: [{ from: { value: 5 }, to: { value: 5 } }] }]],
    ["seq:100..200", [{ field: "seq", any: [{ from: { value: 100 }, to: { value: 200 } }] }]],
    ["seq:100..", [{ field: "seq", any: [{ from: { value: 100 } }] }]],
    ["seq:..100", [{ field: "seq", any: [{ to: { value: 100 } }] }]],
    ["seq:>100", [{ field: "seq", any: [{ from: { value: 100, open: true } }] }]],
    ["ms>=0.5", [{ field: "ms", any: [{ from: { value: 0.5 } }] }]],
    ["ms:<500", [{ field: "ms", any: [{ to: { value: 500, open: true } }] }]],
    [
      "seq:1,7..9",
      [
        {
          field: "seq",
          any: [
            { from: { value: 1 }, to: { value: 1 } },
            { from: { value: 7 }, to: { value: 9 } },
          ],
        },
      ],
    ],
    ['text:"wire transfer"', [{ field: "text", any: is("wire transfer") }]],
    ["text:a,b", [{ field: "text", any: is("a", "b") }]],
    ["text:transf*", [{ field: "text", any: [{ like: "transf*" }] }]],
    [
      'wire "to whom" -hello,world',
      [
        { field: "text", any: is("wire") },
        { field: "text", any: is("to whom") },
        { field: "text", not: true, any: is("hello,world") },
      ],
    ],
    ["why?", [{ field: "text", any: is("why?") }]],
    ["a@example.com", [{ field: "text", any: is("a@example.com") }]],
    ["12:30", [{ field: "text", any: is("12:30") }]],
  ])("reads `%s`", (text, terms) => {
    expect(parse(text)).toEqual({ terms });
  });

  it.each([
    ["since:90s", "2026-03-05T10:28:30.000Z"],
    ["since:2h", "2026-03-05T08:30:00.000Z"],
    ["since:7d", "2026-02-26T10:30:00.000Z"],
    ["since:1w", "2026-02-26T10:30:00.000Z"],
    ["since:now", "2026-03-05T10:30:00.000Z"],
    ["since:today", "2026-03-05T00:00:00.000Z"],
    ["since:yesterday", "2026-03-04T00:00:00.000Z"],
    ["since:2026-03-01", "2026-03-01T00:00:00.000Z"],
    ["since:2026-03-01T12:00", "2026-03-01T12:00:00.000Z"],
    ["since:2026-03-01T12:00:05.5Z", "2026-03-01T12:00:05.500Z"],
    ["since:2026-03-01T12:00+02:00", "2026-03-01T10:00:00.000Z"],
    ['since:"2026-03-01 12:00"', "2026-03-01T12:00:00.000Z"],
    ["until:2026-03-01", "2026-03-01T23:59:59.999Z"],
    ["until:yesterday", "2026-03-04T23:59:59.999Z"],
    ["until:15m", "2026-03-05T10:15:00.000Z"],
  ])("takes the time of `%s`", (text, time) => {
    const { since, until } = parse(text);
    expect(since ?? until).toBe(time);
  });

  it.each<[string, number, string, string | undefined]>([
    ["agnt:bot", 1, "there is no field `agnt`", "did you mean `agent`?"],
    ["verdict:deny  sesion:s", 15, "there is no field `sesion`", "did you mean `session`?"],
    ["server:mail", 1, "there is no field `server`", "`tool` holds the server too: `tool:mail__*`"],
    ["latency:>5", 1, "there is no field `latency`", "use `ms:`, as in `ms:>500`"],
    ["verdict:denied", 9, "`denied` is not a value of `verdict`", "did you mean `deny`?"],
    ["a verdict:deny,maybe", 16, "`maybe` is not a value of `verdict`", "use one of: allow, deny, hold"],
    ["status:fail*", 8, "`fail*` is not a value of `status`", expect.stringContaining("use one of: ok, error")],
    ["kind:intents", 6, "`intents` is not a value of `kind`", "did you mean `intent`?"],
    ["agent:", 7, "`agent` lacks a value", undefined],
    ["agent:a,", 9, "`agent` lacks a value", undefined],
    ["agent:a agent:b", 9, "`agent` is given twice", "for either of two values write `agent:one,other`"],
    ["since:2h since:3h", 10, "`since` is given twice", undefined],
    ["since:tomorow", 7, "`tomorow` in `since` is not a time", expect.stringContaining("`2h`")],
    ["since:2026-02-31", 7, "`2026-02-31` in `since` is not a time", expect.stringContaining("`2h`")],
    ["-since:2h", 1, "`since` cannot be negated", expect.stringContaining("`until`")],
    ["since:>2h", 8, "`since` takes one time", undefined],
    ["seq:x", 5, "`x` in `seq` is not a record's number", "write `seq:100`, `seq:>100` or `seq:100..200`"],
    ["seq:1.5", 5, "`1.5` in `seq` is not a record's number", expect.anything()],
    ["ms:>2s", 5, "`>2s` in `ms` is not a number of milliseconds", expect.anything()],
    ["seq:..", 5, "`..` in `seq` is not a record's number", expect.anything()],
    ["agent:>b", 1, "`>` does not apply to `agent`", "`seq` and `ms` can be compared"],
    ['agent:a text:"wire', 14, "a quote is not closed", expect.anything()],
    ["text:!!!", 6, "`!!!` has no word to search for", expect.anything()],
    ["text:a*b", 6, "`*` in `a*b` does not stand at the end", expect.stringContaining("beginning")],
    ["*transfer", 1, "`*` in `*transfer` does not stand at the end", expect.anything()],
    ["agent:a OR agent:b", 9, "`OR` has no meaning here", expect.stringContaining("`verdict:deny,hold`")],
    ["(agent:a)", 1, "`(` has no meaning here", expect.stringContaining("`--where`")],
    ["agent:a NOT", 9, "`NOT` is not followed by anything", undefined],
    ["https://a.example/b", 1, "there is no field `https`", expect.stringContaining('`"https://a.example/b"`')],
  ])("says where `%s` is wrong", (text, column, message, help) => {
    expect(parseQuery(text, NOW)).toEqual({
      ok: false,
      column,
      message,
      ...(help !== undefined && { help }),
    });
  });

  it("never throws", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from('agent:=-!*?"\\,.<>()0123 text\u{1f600}é')) }),
        (text) => {
          const parsed = parseQuery(text, NOW);
          if (!parsed.ok) {
            expect(parsed.column).toBeGreaterThan(0);
            expect(parsed.column).toBeLessThanOrEqual(text.length + 1);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const word = fc.string({ minLength: 1, unit: "binary" }).filter((s) => /[\p{L}\p{N}]/u.test(s));
const glob = fc
  .array(
    fc.oneof(
      fc.constantFrom("*", "?"),
      fc.string({ minLength: 1 }).map((s) => s.replaceAll(/[[*?]/g, (c) => `[${c}]`)),
    ),
    {
      minLength: 1,
    },
  )
  .map((parts) => parts.join(""))
  .filter((s) => /[*?]/.test(s.replaceAll(/\[.\]/g, "")));
const bound = fc.integer({ min: 0, max: 1e9 });
const range = fc.oneof(
  bound.map((value) => ({ from: { value }, to: { value } })),
  fc.tuple(bound, bound).map(([a, b]) => ({ from: { value: a }, to: { value: b } })),
  bound.map((value) => ({ from: { value } })),
  bound.map((value) => ({ to: { value } })),
  bound.map((value) => ({ from: { value, open: true } })),
  bound.map((value) => ({ to: { value, open: true } })),
);
const some = <T>(values: fc.Arbitrary<T>) => fc.array(values, { minLength: 1, maxLength: 3 });
const not = fc.constantFrom({}, { not: true as const });
const term: fc.Arbitrary<Term> = fc
  .oneof(
    fc.record({
      field: fc.constantFrom("agent", "user", "session", "call", "parent", "tool", "error", "boot", "trace", "rule"),
      any: some(
        fc.oneof(
          word.map((value) => ({ is: value })),
          glob.map((like) => ({ like })),
        ),
      ),
    }),
    fc.record({
      field: fc.constant("verdict"),
      any: some(fc.constantFrom("allow", "deny", "hold").map((value) => ({ is: value }))),
    }),
    fc.record({ field: fc.constant("text"), any: some(word.map((value) => ({ is: value }))) }),
    fc.record({ field: fc.constantFrom("seq", "ms"), any: some(range) }),
  )
  .chain((t) => not.map((n) => ({ ...t, ...n }) as Term));

describe("formatQuery", () => {
  it("gives a text that means the same", () => {
    const time = fc
      .date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
      .map((d) => d.toISOString());
    fc.assert(
      fc.property(
        fc.uniqueArray(term, { selector: (t) => t.field, maxLength: 5 }),
        time,
        time,
        (terms, since, until) => {
          const query = { terms, since, until };
          expect(parse(formatQuery(query))).toEqual(query);
        },
      ),
    );
  });
});
