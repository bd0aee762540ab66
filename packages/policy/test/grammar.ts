import fc from "fast-check";

/** The facts that generated expressions read: the same values for both engines. */
export const FACTS = {
  i: 7n,
  j: -3n,
  d: 2.5,
  s: "hello wörld",
  t: "",
  b: true,
  n: null,
  l: [1n, 2n, 3n],
  w: ["a", "bc", "hello"],
  m: { a: 1n, k: "v", nested: { x: [true, false] } },
};

const pick = (...texts: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...texts);

const INT = pick(
  "0",
  "1",
  "2",
  "-1",
  "7",
  "42",
  "9223372036854775807",
  "-9223372036854775808",
  "9007199254740993",
  "1000000007",
  "i",
  "j",
  "l[0]",
  "m.a",
);
const UINT = pick("0u", "1u", "2u", "18446744073709551615u", "7u");
const DOUBLE = pick(
  "0.0",
  "-0.0",
  "1.0",
  "2.5",
  "-1.5",
  "1e308",
  "1e-308",
  "9007199254740993.0",
  "(0.0/0.0)",
  "(1.0/0.0)",
  "d",
);
const STRING = pick(
  "''",
  "'a'",
  "'hello'",
  "'ö'",
  "'\\U0001F600x'",
  '"b\\n"',
  "'10'",
  "'1.5'",
  "'true'",
  "s",
  "t",
  "w[1]",
  "m.k",
);
const BYTES = pick("b''", "b'a'", "b'\\xff'", "b'ab'");
const BOOL = pick("true", "false", "b", "m.nested.x[1]");
const TIME = pick(
  "timestamp('2024-02-29T12:30:15.5Z')",
  "timestamp(0)",
  "timestamp('1969-12-31T23:59:59Z')",
  "timestamp('9999-12-31T23:59:59Z')",
);
const SPAN = pick("duration('1h30m')", "duration('-1.5s')", "duration('0s')", "duration('24h')");

/** Expressions of all kinds, most of them well typed; some have types that do not fit, since those must fail alike. */
export const EXPRESSION: fc.Arbitrary<string> = fc.letrec<Record<string, string>>((tie) => {
  const any = tie("any");
  const int = tie("int");
  const double = tie("double");
  const bool = tie("bool");
  const text = tie("text");
  const list = tie("list");
  const map = tie("map");
  const join = (...parts: readonly (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> =>
    fc
      .tuple(...parts.map((part) => (typeof part === "string" ? fc.constant(part) : part)))
      .map((pieces) => pieces.join(""));
  const infix = (
    left: fc.Arbitrary<string>,
    op: fc.Arbitrary<string>,
    right: fc.Arbitrary<string>,
  ): fc.Arbitrary<string> => join("(", left, " ", op, " ", right, ")");
  const order = pick("<", "<=", ">", ">=", "==", "!=");
  const sum = pick("+", "-", "*", "/", "%");
  return {
    int: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      INT,
      infix(int, sum, int),
      join("-(", int, ")"),
      join("size(", fc.oneof(text, list, map), ")"),
      join("int(", fc.oneof(double, UINT, text, TIME, bool), ")"),
      join(bool, " ? ", int, " : ", int).map((t) => `(${t})`),
      join("(", list, ")[", int, "]"),
      join(TIME, pick(".getFullYear()", ".getMonth()", ".getDayOfYear()", ".getHours('+05:30')", ".getMilliseconds()")),
      join(SPAN, pick(".getHours()", ".getMinutes()", ".getSeconds()", ".getMilliseconds()")),
      join("(", text, ").indexOf(", text, ")"),
    ),
    double: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      DOUBLE,
      infix(double, pick("+", "-", "*", "/"), double),
      join("double(", fc.oneof(int, UINT, text), ")"),
      join("-(", double, ")"),
    ),
    uint: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      UINT,
      infix(tie("uint"), sum, tie("uint")),
      join("uint(", fc.oneof(int, double, text), ")"),
    ),
    text: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      STRING,
      infix(text, pick("+"), text),
      join("string(", fc.oneof(int, bool, BYTES, TIME, SPAN, tie("uint")), ")"),
      join("(", text, ")", pick(".lowerAscii()", ".upperAscii()", ".trim()")),
      join("(", text, ").substring(", pick("0", "1", "2", "100", "-1"), ")"),
      join("(", text, ").charAt(", pick("0", "1", "3"), ")"),
      join("(", text, ").replace(", pick("'l'", "'o'", "'ö'"), ", ", text, ")"),
      join("(", list, ").join('-')"),
    ),
    bool: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      BOOL,
      infix(bool, pick("&&", "||"), bool),
      join("!(", bool, ")"),
      infix(int, order, int),
      infix(fc.oneof(int, double, tie("uint")), order, fc.oneof(int, double, tie("uint"))),
      infix(text, order, text),
      infix(any, pick("==", "!="), any),
      infix(fc.oneof(TIME, SPAN), order, fc.oneof(TIME, SPAN)),
      infix(any, pick("in"), fc.oneof(list, map)),
      join("(", text, ").", pick("startsWith", "endsWith", "contains"), "(", text, ")"),
      join("(", text, ").matches(", pick("'^h'", "'[a-z]+'", "'l{2}'", "'^$'", "'(a|b)*c'", "'ö'"), ")"),
      join("(", list, ").", pick("all", "exists", "exists_one"), "(x, ", tie("about"), ")"),
      join("(", map, ").", pick("all", "exists"), "(x, ", tie("about"), ")"),
      join("has(", pick("m.a", "m.zz", "m.nested.x", "m.zz.y", "{'q': 1}.q", "i.q"), ")"),
      join("bool(", text, ")"),
    ),
    /** About the loop's `x`. */
    about: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      infix(pick("x"), order, any),
      infix(pick("x"), order, int),
      join("size(x) > ", int),
      bool,
      join("x in ", list),
    ),
    list: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      pick("[]", "l", "w", "[1, 2u, 3.0]", "['a', 'b']", "m.nested.x"),
      join("[", any, ", ", any, "]"),
      infix(list, pick("+"), list),
      join("(", list, ").map(x, ", fc.oneof(pick("x", "[x]", "x == x", "x + 1", "string(x)"), any), ")"),
      join("(", list, ").filter(x, ", tie("about"), ")"),
      join("(", text, ").split(", pick("'l'", "''", "' '"), ")"),
    ),
    map: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      pick("{}", "m", "{'a': 1, 'b': 2.0}", "{1: 'x', 2u: 'y'}", "{true: 1}", "m.nested"),
      join("{", any, ": ", any, "}"),
      join("{'k': ", any, ", ", text, ": ", any, "}"),
    ),
    any: fc.oneof(
      { maxDepth: 4, depthIdentifier: "e" },
      int,
      double,
      bool,
      text,
      list,
      map,
      tie("uint"),
      BYTES,
      TIME,
      SPAN,
      pick("null", "n", "missing", "m.zz", "type(i)", "int", "type(null)"),
      infix(any, sum, any),
      infix(any, order, any),
      infix(any, pick("&&", "||"), any),
      join("(", any, ")[", any, "]"),
      join("(", any, ").a"),
      join("type(", any, ")"),
      join("dyn(", any, ")"),
      infix(fc.oneof(TIME, SPAN), pick("+", "-"), fc.oneof(TIME, SPAN)),
      join("(", bool, " ? ", any, " : ", any, ")"),
      join("(", pick("i", "d", "s", "l"), ").", pick("startsWith('h')", "size()", "foo()", "contains('l')")),
    ),
  };
}).any as fc.Arbitrary<string>;
