import type { LiteralKind, Range } from "./ast.ts";
import { readEscaped } from "./escape.ts";
import { Defect, OVERFLOW } from "./fault.ts";
import { checkedInt, checkedUint, toDouble, type Value } from "./value.ts";

/** One token of CEL. `quoted` is a field name in backquotes; `end` stands after the last character. */
export type Token = Range &
  (
    | { readonly type: "end" }
    | { readonly type: "symbol"; readonly text: string }
    | { readonly type: "ident"; readonly text: string; readonly quoted: boolean }
    /** An integer's text is kept, since its sign decides whether it is in range. */
    | { readonly type: "int"; readonly text: string }
    | { readonly type: "literal"; readonly kind: LiteralKind; readonly value: Value }
  );

const SPACE = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const IDENT = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const QUOTED = /`([a-zA-Z0-9_.\-/ ]+)`/y;
const DOUBLE = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)/y;
const INT = /(0x[0-9a-fA-F]+|\d+)([uU]?)/y;
const SYMBOL = /&&|\|\||==|!=|<=|>=|[-+*/%<>!?:,.()[\]{}]/y;
const STRING = /([bB]?)([rR]?)("""|'''|"|')/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** The int literal's value; throws a Defect if it is not an int64. */
export function intLiteral(text: string, range: Range): Value {
  try {
    const value = text.startsWith("-") ? -BigInt(text.slice(1)) : BigInt(text);
    return checkedInt(value);
  } catch (error) {
    if (error !== OVERFLOW) throw error;
    throw new Defect(
      `the integer \`${text}\` does not fit 64 bits`,
      range,
      "write it as a double (`1e19`) or with `u`",
    );
  }
}

function stringToken(text: string, start: number, prefix: RegExpExecArray): Token {
  const [whole, bytes, raw, quote] = prefix as unknown as [string, string, string, string];
  const open = start + whole.length;
  let at = open;
  for (; at < text.length; at++) {
    const c = text[at];
    if (c === "\\") at += 1;
    else if ((c === "\n" || c === "\r") && quote.length === 1) break;
    else if (text.startsWith(quote, at)) {
      const end = at + quote.length;
      const body = text.slice(open, at);
      const value = readEscaped(body, { bytes: bytes !== "", raw: raw !== "" }, open);
      return { type: "literal", kind: bytes ? "bytes" : "string", value, start, end };
    }
  }
  throw new Defect("the string is not closed", { start, end: Math.min(at, text.length) }, `close it with \`${quote}\``);
}

/** Splits an expression's text into tokens; the last is `end`. Throws a Defect at the first character that fits nothing. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += matchAt(SPACE, text, at)?.[0].length ?? 0;
    if (at >= text.length) {
      tokens.push({ type: "end", start: text.length, end: text.length });
      return tokens;
    }
    const token = next(text, at);
    tokens.push(token);
    at = token.end;
  }
}

function next(text: string, start: number): Token {
  const string = matchAt(STRING, text, start);
  if (string) return stringToken(text, start, string);

  const ident = matchAt(IDENT, text, start);
  if (ident) {
    const name = ident[0];
    const range = { start, end: start + name.length };
    if (name === "true" || name === "false") return { type: "literal", kind: "bool", value: name === "true", ...range };
    if (name === "null") return { type: "literal", kind: "null", value: null, ...range };
    if (name === "in") return { type: "symbol", text: "in", ...range };
    return { type: "ident", text: name, quoted: false, ...range };
  }

  const double = matchAt(DOUBLE, text, start);
  if (double) {
    const range = { start, end: start + double[0].length };
    return { type: "literal", kind: "double", value: toDouble(Number(double[0])), ...range };
  }

  const int = matchAt(INT, text, start);
  if (int) {
    const [whole, digits, unsigned] = int as unknown as [string, string, string];
    const range = { start, end: start + whole.length };
    if (!unsigned) return { type: "int", text: digits, ...range };
    try {
      return { type: "literal", kind: "uint", value: checkedUint(BigInt(digits)), ...range };
    } catch {
      throw new Defect(`the unsigned integer \`${digits}\` does not fit 64 bits`, range);
    }
  }

  const quoted = matchAt(QUOTED, text, start);
  if (quoted) return { type: "ident", text: quoted[1] as string, quoted: true, start, end: start + quoted[0].length };

  const symbol = matchAt(SYMBOL, text, start);
  if (symbol) return { type: "symbol", text: symbol[0], start, end: start + symbol[0].length };

  const character = String.fromCodePoint(text.codePointAt(start) as number);
  const help =
    character === "="
      ? "write `==` to compare"
      : character === "&" || character === "|"
        ? `write \`${character}${character}\``
        : undefined;
  throw new Defect(`unexpected character \`${character}\``, { start, end: start + character.length }, help);
}
