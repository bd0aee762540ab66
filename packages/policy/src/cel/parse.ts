import type { BinaryOp, Entry, Expr, Range } from "./ast.ts";
import { Defect } from "./fault.ts";
import { intLiteral, type Token, tokenize } from "./token.ts";

/** Bounds that keep parsing, checking and compiling within a small stack and a few milliseconds. */
export const LIMITS = {
  /** UTF-16 units of one expression. */
  length: 64 * 1024,
  /** How deep nodes may nest. */
  depth: 200,
  /** How many nodes one expression may have. */
  nodes: 20_000,
} as const;

// CEL reserves `loop` too, for a statement that it has never had. Here it is the name of a fact.
const RESERVED = new Set(
  "as break const continue else for function if import let package namespace return var void while".split(" "),
);
const RELATIONS = new Set(["==", "!=", "<", "<=", ">", ">=", "in"]);
const SUMS = new Set(["+", "-"]);
const PRODUCTS = new Set(["*", "/", "%"]);

/**
 * Parses one CEL expression by the grammar of the language definition. Throws a Defect at the first error.
 * It MUST NOT recurse deeper than the limits allow, whatever the text.
 */
export function parse(text: string): Expr {
  if (text.length > LIMITS.length) {
    const help = `keep an expression under ${LIMITS.length} characters`;
    throw new Defect("the expression is too long", { start: 0, end: 0 }, help);
  }
  return new Parser(tokenize(text)).whole();
}

// Omit does not distribute over a union by itself.
type Bare<T> = T extends unknown ? Omit<T, "depth" | "start" | "end"> : never;

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #nesting = 0;
  #nodes = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expr {
    const expr = this.#expression();
    const rest = this.#peek();
    if (rest.type !== "end") throw this.#unexpected(rest, "an operator or the end of the expression");
    return expr;
  }

  #peek(): Token {
    return this.#tokens[this.#at] as Token;
  }

  #is(symbol: string): boolean {
    const token = this.#peek();
    return token.type === "symbol" && token.text === symbol;
  }

  #accept(symbol: string): Token | undefined {
    if (!this.#is(symbol)) return undefined;
    return this.#tokens[this.#at++];
  }

  #expect(symbol: string): Token {
    const token = this.#accept(symbol);
    if (!token) throw this.#unexpected(this.#peek(), `\`${symbol}\``);
    return token;
  }

  #unexpected(token: Token, wanted: string): Defect {
    if (token.type === "end") return new Defect(`the expression ends where ${wanted} is expected`, token);
    const text = token.type === "literal" ? `a ${token.kind}` : `\`${token.text}\``;
    return new Defect(`unexpected ${text}, expected ${wanted}`, token);
  }

  #make(node: Bare<Expr>, range: Range, children: readonly Expr[]): Expr {
    let depth = 0;
    for (const child of children) if (child.depth > depth) depth = child.depth;
    depth += 1;
    if (depth > LIMITS.depth) throw new Defect("the expression nests too deeply", range);
    if (++this.#nodes > LIMITS.nodes) throw new Defect("the expression has too many parts", range);
    return { ...node, depth, start: range.start, end: range.end } as Expr;
  }

  #expression(): Expr {
    // Counted before recursing, so that a pile of parentheses cannot reach the end of the stack.
    if (++this.#nesting > LIMITS.depth) throw new Defect("the expression nests too deeply", this.#peek());
    const test = this.#either();
    let expr = test;
    if (this.#accept("?")) {
      const then = this.#either();
      this.#expect(":");
      const otherwise = this.#expression();
      expr = this.#make({ op: "cond", test, then, otherwise }, { start: test.start, end: otherwise.end }, [
        test,
        then,
        otherwise,
      ]);
    }
    this.#nesting -= 1;
    return expr;
  }

  #either(): Expr {
    return this.#chain("||", "or", () => this.#chain("&&", "and", () => this.#relation()));
  }

  /** One flat node for a chain of the same operator, so that a long rule is not a deep one. */
  #chain(symbol: string, op: "and" | "or", term: () => Expr): Expr {
    const first = term();
    if (!this.#is(symbol)) return first;
    const terms = [first];
    while (this.#accept(symbol)) terms.push(term());
    return this.#make({ op, terms }, { start: first.start, end: (terms.at(-1) as Expr).end }, terms);
  }

  #relation(): Expr {
    return this.#infix(RELATIONS, () => this.#infix(SUMS, () => this.#infix(PRODUCTS, () => this.#unary())));
  }

  #infix(operators: ReadonlySet<string>, operand: () => Expr): Expr {
    let left = operand();
    for (;;) {
      const token = this.#peek();
      if (token.type !== "symbol" || !operators.has(token.text)) return left;
      this.#at++;
      const right = operand();
      const operator = token.text as BinaryOp;
      const range = { start: left.start, end: right.end };
      left = this.#make({ op: "binary", operator, left, right, at: token }, range, [left, right]);
    }
  }

  #unary(): Expr {
    const first = this.#peek();
    if (this.#is("!")) return this.#repeated("!");
    if (!this.#is("-")) return this.#member(this.#primary());
    const number = this.#tokens[this.#at + 1];
    // A minus right before a number is its sign: the least int64 has no positive counterpart.
    if (number?.type === "int" || (number?.type === "literal" && number.kind === "double")) {
      this.#at += 2;
      const range = { start: first.start, end: number.end };
      if (number.type === "int") {
        const value = intLiteral(`-${number.text}`, range);
        return this.#member(this.#make({ op: "literal", kind: "int", value }, range, []));
      }
      const positive = this.#make({ op: "literal", kind: "double", value: number.value }, number, []);
      return this.#member(this.#make({ op: "negate", of: positive }, range, [positive]));
    }
    return this.#repeated("-");
  }

  #repeated(symbol: "!" | "-"): Expr {
    const signs: Token[] = [];
    for (let sign = this.#accept(symbol); sign; sign = this.#accept(symbol)) signs.push(sign);
    let expr = this.#member(this.#primary());
    for (const sign of signs.reverse()) {
      const op = symbol === "!" ? "not" : "negate";
      expr = this.#make({ op, of: expr }, { start: sign.start, end: expr.end }, [expr]);
    }
    return expr;
  }

  #member(primary: Expr): Expr {
    let expr = primary;
    for (;;) {
      if (this.#accept(".")) expr = this.#selected(expr);
      else if (this.#accept("[")) {
        const optional = this.#accept("?") !== undefined;
        const index = this.#expression();
        const end = this.#expect("]").end;
        expr = this.#make({ op: "index", of: expr, index, optional }, { start: expr.start, end }, [expr, index]);
      } else return expr;
    }
  }

  #selected(of: Expr): Expr {
    const optional = this.#accept("?") !== undefined;
    const name = this.#peek();
    if (name.type !== "ident") throw this.#unexpected(name, "a field's name");
    this.#at++;
    if (!optional && !name.quoted && this.#accept("(")) {
      const args = this.#arguments();
      const end = this.#expect(")").end;
      const range = { start: of.start, end };
      return this.#make({ op: "call", target: of, name: name.text, args, at: name }, range, [of, ...args]);
    }
    const range = { start: of.start, end: name.end };
    return this.#make({ op: "select", of, field: name.text, optional, at: name }, range, [of]);
  }

  #arguments(): Expr[] {
    const args: Expr[] = [];
    if (this.#is(")")) return args;
    do args.push(this.#expression());
    while (this.#accept(","));
    return args;
  }

  #primary(): Expr {
    const token = this.#peek();
    this.#at++;
    switch (token.type) {
      case "literal":
        return this.#make({ op: "literal", kind: token.kind, value: token.value }, token, []);
      case "int":
        return this.#make({ op: "literal", kind: "int", value: intLiteral(token.text, token) }, token, []);
      case "ident":
        return this.#named(token, token.start, false);
      case "symbol":
        if (token.text === "(") {
          const inner = this.#expression();
          const end = this.#expect(")").end;
          return { ...inner, start: token.start, end };
        }
        if (token.text === "[") return this.#list(token);
        if (token.text === "{") return this.#map(token);
        if (token.text === ".") {
          const name = this.#peek();
          if (name.type !== "ident") throw this.#unexpected(name, "a name");
          this.#at++;
          return this.#named(name, token.start, true);
        }
        break;
      case "end":
        break;
      default:
        token satisfies never;
    }
    throw this.#unexpected(token, "a value");
  }

  #named(token: Token & { type: "ident" }, start: number, absolute: boolean): Expr {
    if (token.quoted)
      throw new Defect(`unexpected \`${token.text}\` in backquotes`, token, "only a field after a dot may be quoted");
    if (RESERVED.has(token.text)) throw new Defect(`\`${token.text}\` is a reserved word`, token);
    if (this.#accept("(")) {
      const args = this.#arguments();
      const end = this.#expect(")").end;
      return this.#make({ op: "call", target: undefined, name: token.text, args, at: token }, { start, end }, args);
    }
    if (this.#is("{")) {
      throw new Defect("messages cannot be made here", token, 'write a map: `{"key": value}`');
    }
    return this.#make({ op: "ident", name: token.text, absolute }, { start, end: token.end }, []);
  }

  #list(open: Token): Expr {
    const items: Expr[] = [];
    const optionals: boolean[] = [];
    while (!this.#is("]")) {
      optionals.push(this.#accept("?") !== undefined);
      items.push(this.#expression());
      if (!this.#accept(",")) break;
    }
    const end = this.#expect("]").end;
    return this.#make({ op: "list", items, optionals }, { start: open.start, end }, items);
  }

  #map(open: Token): Expr {
    const entries: Entry[] = [];
    while (!this.#is("}")) {
      const optional = this.#accept("?") !== undefined;
      const key = this.#expression();
      this.#expect(":");
      entries.push({ key, value: this.#expression(), optional });
      if (!this.#accept(",")) break;
    }
    const end = this.#expect("}").end;
    const children = entries.flatMap((entry) => [entry.key, entry.value]);
    return this.#make({ op: "map", entries }, { start: open.start, end }, children);
  }
}
