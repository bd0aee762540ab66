import { didYouMean } from "../suggest.ts";
import { dottedName, rootOf, type BinaryOp, type Expr, type ExprOf, type Range } from "./ast.ts";
import type { Environment, FunctionDecl } from "./env.ts";
import { Defect } from "./fault.ts";
import { macroOf, type Macro } from "./macro.ts";
import { Scope } from "./scope.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  NULL,
  STRING,
  TIMESTAMP,
  UINT,
  listOf,
  mapOf,
  optionalOf,
  typeText,
  unionOf,
  type Type,
} from "./type.ts";
import { Unifier, fieldsType } from "./unify.ts";

/** What checking found out. */
export interface Checked {
  readonly type: Type;
  readonly types: ReadonlyMap<Expr, Type>;
  readonly defects: readonly Defect[];
  /** What is allowed and yet likely meant otherwise. */
  readonly warnings: readonly Defect[];
}

/** Checks an expression against the names and types of an environment. Reports every defect that does not follow from another. */
export function check(expr: Expr, env: Environment): Checked {
  const checker = new Checker(env);
  const type = checker.settle(checker.type(expr, Scope.empty));
  const types = new Map([...checker.types].map(([e, t]): [Expr, Type] => [e, checker.settle(t)]));
  return { type, types, defects: checker.defects, warnings: [...checker.warnings, ...checker.unguarded()] };
}

const NUMERIC = new Set<Type["kind"]>(["int", "uint", "double"]);
const ORDERED = new Set<Type["kind"]>(["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"]);

/** Sums and products by the types of their sides. */
const ARITHMETIC: Readonly<Record<"+" | "-" | "*" | "/" | "%", readonly (readonly [Type, Type, Type])[]>> = {
  "+": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
    [STRING, STRING, STRING],
    [BYTES, BYTES, BYTES],
    [listOf({ kind: "param", name: "A" }), listOf({ kind: "param", name: "A" }), listOf({ kind: "param", name: "A" })],
    [TIMESTAMP, DURATION, TIMESTAMP],
    [DURATION, TIMESTAMP, TIMESTAMP],
    [DURATION, DURATION, DURATION],
  ],
  "-": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
    [TIMESTAMP, DURATION, TIMESTAMP],
    [TIMESTAMP, TIMESTAMP, DURATION],
    [DURATION, DURATION, DURATION],
  ],
  "*": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
  ],
  "/": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
    [DOUBLE, DOUBLE, DOUBLE],
  ],
  "%": [
    [INT, INT, INT],
    [UINT, UINT, UINT],
  ],
};

type Locals = Scope<Type>;

class Checker {
  readonly types = new Map<Expr, Type>();
  readonly defects: Defect[] = [];
  readonly warnings: Defect[] = [];
  readonly #env: Environment;
  readonly #unifier = new Unifier();
  readonly #guards = new Set<string>();
  readonly #optionalReads: { readonly path: string; readonly at: Range }[] = [];

  constructor(env: Environment) {
    this.#env = env;
  }

  settle(type: Type): Type {
    return this.#unifier.settle(type);
  }

  /** Reads that have no value when an optional field is absent, and that no `has()` of the expression looks at. */
  unguarded(): Defect[] {
    const seen = new Set<string>();
    return this.#optionalReads.flatMap(({ path, at }) => {
      if (this.#guards.has(path) || seen.has(path)) return [];
      seen.add(path);
      const help = `ask \`has(${path})\` first: a call without it makes this rule fail, and a failing rule denies`;
      return [new Defect(`\`${path}\` may be absent`, at, help)];
    });
  }

  type(e: Expr, locals: Locals): Type {
    let type: Type;
    try {
      type = this.#typeOf(e, locals);
    } catch (error) {
      if (!(error instanceof Defect)) throw error;
      this.defects.push(error);
      // What follows from a defect is not reported again.
      type = DYN;
    }
    this.types.set(e, type);
    return type;
  }

  #typeOf(e: Expr, locals: Locals): Type {
    switch (e.op) {
      case "literal":
        return { kind: e.kind };
      case "ident":
        return this.#ident(e, locals);
      case "select":
        return this.#select(e, locals);
      case "index":
        return this.#index(e, locals);
      case "call":
        return this.#call(e, locals);
      case "list": {
        const items = e.items.map((item, i) => this.#element(item, e.optionals[i] ?? false, locals));
        return listOf(this.#join(items));
      }
      case "map":
        return this.#map(e, locals);
      case "not":
        this.#want(e.of, BOOL, locals, "`!`");
        return BOOL;
      case "negate": {
        const type = this.#known(this.type(e.of, locals));
        const numbers = this.#members(type).filter((t) => t.kind === "int" || t.kind === "double" || t.kind === "dyn");
        if (numbers.length) return unionOf(numbers);
        throw new Defect(`\`-\` does not apply to ${a(type)}`, e);
      }
      case "and":
      case "or":
        for (const term of e.terms) this.#want(term, BOOL, locals, e.op === "and" ? "`&&`" : "`||`");
        return BOOL;
      case "cond": {
        this.#want(e.test, BOOL, locals, "`?`");
        const then = this.type(e.then, locals);
        const otherwise = this.type(e.otherwise, locals);
        return this.#join([then, otherwise]);
      }
      case "binary":
        return this.#binary(e, locals);
      default:
        return e satisfies never;
    }
  }

  #known(type: Type): Type {
    return this.#unifier.shallow(type);
  }

  /** The types a value may have: the members of a union, or the type itself. */
  #members(type: Type): readonly Type[] {
    const known = this.#known(type);
    if (known.kind === "param") return [DYN];
    return known.kind === "union" ? known.of : [known];
  }

  #want(e: Expr, wanted: Type, locals: Locals, where: string): void {
    const type = this.type(e, locals);
    if (this.#unifier.attempt(() => this.#unifier.assignable(type, wanted))) return;
    this.defects.push(new Defect(`${where} takes a ${typeText(wanted)}, but this is ${a(this.settle(type))}`, e));
  }

  #join(types: readonly Type[]): Type {
    const [first, ...rest] = types;
    if (!first) return this.#unifier.fresh();
    let joined = first;
    for (const type of rest) {
      const fits = this.#unifier.attempt(() => this.#unifier.assignable(type, joined));
      if (!fits) return this.#nullable([...types]) ?? DYN;
      joined = this.#unifier.mostGeneral(joined, type);
    }
    return joined;
  }

  /** JSON has nulls anywhere: `cond ? null : "x"` is a union. */
  #nullable(types: Type[]): Type | undefined {
    const rest = types.filter((type) => this.#known(type).kind !== "null");
    if (rest.length === types.length || rest.length === 0) return undefined;
    return unionOf([this.settle(this.#join(rest)), NULL]);
  }

  #ident(e: ExprOf<"ident">, locals: Locals): Type {
    const local = e.absolute ? undefined : locals.get(e.name);
    if (local) return local;
    const reference = this.#env.resolve(e, (name) => locals.get(name) !== undefined);
    if (reference) return "variable" in reference ? reference.variable.type : { kind: "type", of: DYN };
    const names = [...locals.names(), ...this.#env.variables.keys()];
    throw new Defect(`unknown fact \`${e.name}\``, e, didYouMean(e.name, names, "known facts"));
  }

  #select(e: ExprOf<"select">, locals: Locals): Type {
    const reference = e.optional ? undefined : this.#env.resolve(e, (name) => locals.get(name) !== undefined);
    if (reference) return "variable" in reference ? reference.variable.type : { kind: "type", of: DYN };
    const of = this.type(e.of, locals);
    const found = this.#field(of, e, false);
    return e.optional ? optionalOf(found) : found;
  }

  /** The type of a field of `of`. `asked` says that the expression only asks whether it is there. */
  #field(of: Type, e: ExprOf<"select">, asked: boolean): Type {
    const types: Type[] = [];
    const names: string[] = [];
    let through = false;
    for (const member of this.#members(of)) {
      switch (member.kind) {
        case "dyn":
        case "never":
          types.push(DYN);
          break;
        case "map":
          if (!this.#unifier.attempt(() => this.#unifier.assignable(STRING, member.key))) break;
          types.push(member.value);
          break;
        case "optional": {
          through = true;
          types.push(this.#field(member.of, e, asked));
          break;
        }
        case "object": {
          const field = member.fields.get(e.field);
          if (field) {
            types.push(field.type);
            if (field.optional) this.#noteRead(e, asked);
          } else if (member.rest) types.push(member.rest);
          else names.push(...member.fields.keys());
          break;
        }
        default:
          break;
      }
    }
    if (types.length > 0) {
      const type = types.length === 1 ? (types[0] as Type) : unionOf(types.map((t) => this.settle(t)));
      return through && !e.optional && !asked ? optionalOf(type) : type;
    }
    const path = dottedName(e.of) ?? "this value";
    const type = this.settle(of);
    if (names.length > 0 || this.#members(of).some((m) => m.kind === "object")) {
      throw new Defect(`\`${path}\` has no field \`${e.field}\``, e.at, didYouMean(e.field, names, "its fields"));
    }
    throw new Defect(`\`${path}\` is ${a(type)} and has no fields`, e.at);
  }

  #noteRead(e: ExprOf<"select">, asked: boolean): void {
    const path = dottedName({ ...e, optional: false } as Expr);
    if (path === undefined) return;
    if (asked || e.optional) this.#guards.add(path);
    else this.#optionalReads.push({ path, at: e.at });
  }

  #index(e: ExprOf<"index">, locals: Locals): Type {
    const of = this.type(e.of, locals);
    const index = this.type(e.index, locals);
    const types: Type[] = [];
    let through = false;
    for (const member of this.#members(of)) {
      const target = member.kind === "optional" ? this.#known(member.of) : member;
      const found = this.#element2(target, index, e);
      if (!found) continue;
      if (member.kind === "optional") through = true;
      types.push(found);
    }
    if (types.length === 0) throw new Defect(`${a(this.settle(of))} cannot be indexed by ${a(this.settle(index))}`, e);
    const type = types.length === 1 ? (types[0] as Type) : unionOf(types.map((t) => this.settle(t)));
    return through || e.optional ? optionalOf(type) : type;
  }

  #element2(of: Type, index: Type, e: ExprOf<"index">): Type | undefined {
    switch (of.kind) {
      case "dyn":
      case "param":
      case "never":
        return DYN;
      case "list":
        return this.#members(index).some((t) => NUMERIC.has(t.kind) || t.kind === "dyn") ? of.of : undefined;
      case "map":
        return this.#unifier.attempt(() => this.#unifier.assignable(index, of.key)) || this.#bothNumeric(index, of.key)
          ? of.value
          : undefined;
      case "object": {
        if (!this.#unifier.attempt(() => this.#unifier.assignable(index, STRING))) return undefined;
        if (e.index.op !== "literal" || typeof e.index.value !== "string") return fieldsType(of);
        const field = of.fields.get(e.index.value);
        if (field) return field.type;
        if (of.rest) return of.rest;
        const names = [...of.fields.keys()];
        throw new Defect(
          `\`${dottedName(e.of) ?? "this value"}\` has no field \`${e.index.value}\``,
          e.index,
          didYouMean(e.index.value, names, "its fields"),
        );
      }
      default:
        return undefined;
    }
  }

  #bothNumeric(x: Type, y: Type): boolean {
    return this.#members(x).some((t) => NUMERIC.has(t.kind)) && this.#members(y).some((t) => NUMERIC.has(t.kind));
  }

  #element(e: Expr, optional: boolean, locals: Locals): Type {
    const type = this.type(e, locals);
    if (!optional) return type;
    const of = this.#unifier.fresh();
    if (this.#unifier.attempt(() => this.#unifier.assignable(type, optionalOf(of)))) return of;
    this.defects.push(new Defect(`\`?\` takes an optional, but this is ${a(this.settle(type))}`, e));
    return DYN;
  }

  #map(e: ExprOf<"map">, locals: Locals): Type {
    const keys: Type[] = [];
    const values: Type[] = [];
    for (const entry of e.entries) {
      const key = this.type(entry.key, locals);
      const allowed = this.#members(key).some((t) => ["string", "bool", "int", "uint", "dyn"].includes(t.kind));
      if (!allowed)
        this.defects.push(
          new Defect(`a map's key cannot be ${a(this.settle(key))}`, entry.key, "use a string, a bool or an integer"),
        );
      keys.push(key);
      values.push(this.#element(entry.value, entry.optional, locals));
    }
    return mapOf(this.#join(keys), this.#join(values));
  }

  #binary(e: ExprOf<"binary">, locals: Locals): Type {
    const left = this.type(e.left, locals);
    const right = this.type(e.right, locals);
    switch (e.operator) {
      case "==":
      case "!=":
        if (!this.#comparable(left, right)) throw this.#mismatch(e, left, right);
        this.#expectMember(e.left, right);
        this.#expectMember(e.right, left);
        return BOOL;
      case "<":
      case "<=":
      case ">":
      case ">=": {
        const ordered = (t: Type): boolean =>
          this.#members(t).some((m) => ORDERED.has(m.kind) || m.kind === "dyn" || m.kind === "never");
        if (!ordered(left) || !ordered(right) || !this.#comparable(left, right)) throw this.#mismatch(e, left, right);
        return BOOL;
      }
      case "in": {
        const fits = this.#members(right).some((m) => {
          if (m.kind === "dyn" || m.kind === "never") return true;
          if (m.kind === "list") return this.#comparable(left, m.of);
          if (m.kind === "map") return this.#comparable(left, m.key);
          return m.kind === "object" && this.#comparable(left, STRING);
        });
        if (!fits) throw this.#mismatch(e, left, right);
        if (e.right.op === "list") for (const item of e.right.items) this.#expectMember(item, left);
        const list = this.#known(right);
        if (list.kind === "list") this.#expectMember(e.left, list.of);
        return BOOL;
      }
      default:
        return this.#arithmetic(e, e.operator, left, right);
    }
  }

  /** A literal compared with a value that can only be one of some others is a slip of the pen. */
  #expectMember(e: Expr, type: Type): void {
    const known = this.#known(type);
    if (e.op !== "literal" || typeof e.value !== "string" || known.kind !== "string" || !known.values) return;
    if (known.values.includes(e.value)) return;
    this.warnings.push(new Defect(`this is never "${e.value}"`, e, didYouMean(e.value, known.values, "it is one of")));
  }

  #comparable(x: Type, y: Type): boolean {
    if (this.#bothNumeric(x, y)) return true;
    const fits = (from: Type, to: Type): boolean => this.#unifier.attempt(() => this.#unifier.assignable(from, to));
    return fits(x, y) || fits(y, x);
  }

  #arithmetic(e: ExprOf<"binary">, operator: keyof typeof ARITHMETIC, left: Type, right: Type): Type {
    const results: Type[] = [];
    for (const row of ARITHMETIC[operator]) {
      const [x, y, result] = this.#unifier.instantiate(row) as [Type, Type, Type];
      const fits = this.#unifier.attempt(() => this.#unifier.assignable(left, x) && this.#unifier.assignable(right, y));
      if (fits) results.push(result);
    }
    if (results.length === 0) throw this.#mismatch(e, left, right);
    return results.length === 1 ? (results[0] as Type) : DYN;
  }

  #mismatch(e: ExprOf<"binary">, left: Type, right: Type): Defect {
    const [x, y] = [this.settle(left), this.settle(right)];
    return new Defect(`\`${e.operator}\` does not take ${a(x)} and ${a(y)}`, e, mismatchHelp(e, e.operator, x, y));
  }

  #call(e: ExprOf<"call">, locals: Locals): Type {
    const macro = macroOf(e);
    if (macro) return this.#macro(macro, locals);
    const isLocal = (name: string): boolean => locals.get(name) !== undefined;
    const found = this.#env.functionOf(e, isLocal);
    if (!found) {
      if (e.target && !this.#isNamespace(e.target, isLocal)) this.type(e.target, locals);
      for (const arg of e.args) this.type(arg, locals);
      throw this.#unknownFunction(e);
    }
    const args = found.member ? [e.target as Expr, ...e.args] : e.args;
    const types = args.map((arg) => this.type(arg, locals));
    return this.#overload(e, found.decl, found.member, types);
  }

  /** Whether a call's target is a name without meaning of its own, such as the `math` of `math.ceil`. */
  #isNamespace(target: Expr, isLocal: (name: string) => boolean): boolean {
    const root = rootOf(target);
    return (
      root !== undefined && dottedName(target) !== undefined && !isLocal(root.name) && !this.#env.resolve(root, isLocal)
    );
  }

  #unknownFunction(e: ExprOf<"call">): Defect {
    const decls = [...this.#env.functions.values()];
    const namespace = e.target && dottedName(e.target);
    const whole =
      namespace !== undefined && !this.#env.variables.has(namespace.split(".")[0] as string)
        ? `${namespace}.${e.name}`
        : e.name;
    const names = decls.map((d) => d.name);
    const other = decls.find((d) => d.name === e.name);
    if (other) {
      const help = e.target ? `write \`${e.name}(…)\`` : `write \`value.${e.name}(…)\``;
      return new Defect(`\`${e.name}\` is not called this way`, e.at, help);
    }
    return new Defect(
      `unknown function \`${whole}\``,
      e.at,
      didYouMean(whole, [...names, ...MACROS], "see the list of functions in docs/policy.md, near it"),
    );
  }

  #overload(e: ExprOf<"call">, decl: FunctionDecl, member: boolean, types: readonly Type[]): Type {
    let result: Type | undefined;
    for (const overload of decl.overloads) {
      if (overload.member !== member) continue;
      const variadic = decl.variadic !== undefined && overload.params.length === 1 && types.length !== 1;
      if (!variadic && overload.params.length !== types.length) continue;
      const [returned, ...params] = this.#unifier.instantiate([overload.result, ...overload.params]) as [
        Type,
        ...Type[],
      ];
      const fits = this.#unifier.attempt(() =>
        types.every((type, i) => this.#unifier.assignable(type, (variadic ? params[0] : params[i]) as Type)),
      );
      if (!fits) continue;
      if (decl.variadic) return returned;
      result =
        result === undefined || typeText(this.settle(result)) === typeText(this.settle(returned)) ? returned : DYN;
    }
    if (result) return result;
    const given = types.map((type) => typeText(this.settle(type)));
    const takes = decl.overloads
      .filter((o) => o.member === member)
      .map((o) => signature(decl.name, o.member, o.params));
    const got = member ? `${given[0]}.${decl.name}(${given.slice(1).join(", ")})` : `${decl.name}(${given.join(", ")})`;
    throw new Defect(`there is no \`${got}\``, e, `it takes ${takes.slice(0, 6).join(" or ")}`);
  }

  #macro(macro: Macro, locals: Locals): Type {
    switch (macro.kind) {
      case "has": {
        const of = this.type(macro.of.of, locals);
        this.#field(of, macro.of, true);
        return BOOL;
      }
      case "bind": {
        const value = this.type(macro.value, locals);
        return this.type(macro.body, locals.with(macro.name, value));
      }
      case "optional": {
        const of = this.#unwrapped(macro.of, locals);
        const body = this.type(macro.body, locals.with(macro.name, of));
        if (!macro.flat) return optionalOf(body);
        return optionalOf(this.#inside(body, macro.body));
      }
      case "else": {
        const of = this.#unwrapped(macro.of, locals);
        const other = this.type(macro.other, locals);
        const wanted = macro.wrapped ? this.#inside(other, macro.other) : other;
        const joined = this.#join([of, wanted]);
        return macro.wrapped ? optionalOf(joined) : joined;
      }
      case "loop":
        return this.#loop(macro, locals);
      default:
        return macro satisfies never;
    }
  }

  #unwrapped(e: Expr, locals: Locals): Type {
    return this.#inside(this.type(e, locals), e);
  }

  #inside(type: Type, e: Expr): Type {
    const of = this.#unifier.fresh();
    if (this.#unifier.attempt(() => this.#unifier.assignable(type, optionalOf(of)))) return of;
    throw new Defect(
      `this is ${a(this.settle(type))}, not an optional`,
      e,
      "write `.?field` or `optional.of(value)` for an optional",
    );
  }

  #loop(macro: Macro & { kind: "loop" }, locals: Locals): Type {
    const over = this.type(macro.over, locals);
    const [key, value] = this.#ranged(over, macro.over);
    const [first, second] = macro.names as [string, string | undefined];
    const list = this.#members(over).every((m) => m.kind === "list");
    let inner = locals;
    if (second === undefined) inner = inner.with(first, list ? value : key);
    else inner = inner.with(first, key).with(second, value);
    if (macro.filter) this.#want(macro.filter, BOOL, inner, `the condition of \`${macro.loop}\``);
    switch (macro.loop) {
      case "all":
      case "exists":
      case "exists_one":
        this.#want(macro.body, BOOL, inner, `\`${macro.loop}\``);
        return BOOL;
      case "filter":
        this.#want(macro.body, BOOL, inner, "`filter`");
        return listOf(list ? value : key);
      case "map":
      case "transformList":
        return listOf(this.type(macro.body, inner));
      case "transformMap":
        return mapOf(key, this.type(macro.body, inner));
      case "transformMapEntry": {
        const body = this.type(macro.body, inner);
        const [k, v] = [this.#unifier.fresh(), this.#unifier.fresh()];
        if (this.#unifier.attempt(() => this.#unifier.assignable(body, mapOf(k, v)))) return mapOf(k, v);
        throw new Defect(`\`transformMapEntry\` makes a map, but this is ${a(this.settle(body))}`, macro.body);
      }
      default:
        return macro.loop satisfies never;
    }
  }

  /** The types of the key (or index) and of the value that a loop over `type` goes through. */
  #ranged(type: Type, e: Expr): [Type, Type] {
    const keys: Type[] = [];
    const values: Type[] = [];
    for (const member of this.#members(type)) {
      if (member.kind === "dyn" || member.kind === "never") {
        keys.push(DYN);
        values.push(DYN);
      } else if (member.kind === "list") {
        keys.push(INT);
        values.push(member.of);
      } else if (member.kind === "map") {
        keys.push(member.key);
        values.push(member.value);
      } else if (member.kind === "object") {
        keys.push(STRING);
        values.push(fieldsType(member));
      }
    }
    if (keys.length === 0)
      throw new Defect(`${a(this.settle(type))} has no elements to go through`, e, "macros go through lists and maps");
    if (keys.length === 1) return [keys[0] as Type, values[0] as Type];
    return [unionOf(keys.map((t) => this.settle(t))), unionOf(values.map((t) => this.settle(t)))];
  }
}

const MACROS = [
  "has",
  "all",
  "exists",
  "exists_one",
  "map",
  "filter",
  "transformList",
  "transformMap",
  "cel.bind",
  "optMap",
  "optFlatMap",
  "orValue",
];

/** A type with its article. */
function a(type: Type): string {
  const text = typeText(type);
  if (text === "dyn") return "a value of unknown type";
  return `${/^[aeio]/.test(text) ? "an" : "a"} ${text}`;
}

function signature(name: string, member: boolean, params: readonly Type[]): string {
  const texts = params.map(typeText);
  return member ? `\`${texts[0]}.${name}(${texts.slice(1).join(", ")})\`` : `\`${name}(${texts.join(", ")})\``;
}

function mismatchHelp(e: ExprOf<"binary">, operator: BinaryOp, left: Type, right: Type): string | undefined {
  const kinds = [left.kind, right.kind];
  const has = (kind: Type["kind"]): boolean => kinds.includes(kind);
  if (has("null") && (operator === "==" || operator === "!="))
    return "it is never null: ask whether a field is there with `has(…)`";
  if (has("double") && (has("int") || has("uint"))) {
    const literal = [e.left, e.right].find((side) => side.op === "literal" && side.kind === "int");
    if (literal?.op === "literal") return `write \`${String(literal.value)}.0\``;
    return "convert one side with `double(…)` or `int(…)`";
  }
  if (has("int") && has("uint")) return "convert one side with `int(…)` or `uint(…)`";
  if (has("string") && (has("int") || has("double") || has("bool")))
    return "convert one side with `string(…)`, or drop the quotes";
  if (operator === "in") return "the right side must be a list or a map";
  return undefined;
}
