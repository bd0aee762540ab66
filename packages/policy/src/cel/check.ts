import { didYouMean } from "../suggest.ts";
import { dottedName, type Expr, type ExprOf, type Range } from "./ast.ts";
import { typeOfCall } from "./check-call.ts";
import { typeOfBinary } from "./check-operator.ts";
import { Checking, type Locals } from "./checking.ts";
import type { Environment } from "./env.ts";
import { Defect } from "./fault.ts";
import { Scope } from "./scope.ts";
import { BOOL, DYN, listOf, mapOf, optionalOf, phrase, STRING, type Type, unionOf } from "./type.ts";
import { fieldsType } from "./unify.ts";

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

class Checker extends Checking {
  readonly types = new Map<Expr, Type>();
  readonly #guards = new Set<string>();
  readonly #optionalReads: { readonly path: string; readonly at: Range }[] = [];

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
        return typeOfCall(this, e, locals);
      case "list": {
        const items = e.items.map((item, i) => this.#item(item, e.optionals[i] ?? false, locals));
        return listOf(this.join(items));
      }
      case "map":
        return this.#map(e, locals);
      case "not":
        this.want(e.of, BOOL, locals, "`!`");
        return BOOL;
      case "negate": {
        const type = this.known(this.type(e.of, locals));
        const numbers = this.members(type).filter((t) => t.kind === "int" || t.kind === "double" || t.kind === "dyn");
        if (numbers.length) return unionOf(numbers);
        throw new Defect(`\`-\` does not apply to ${phrase(type)}`, e);
      }
      case "and":
      case "or":
        for (const term of e.terms) this.want(term, BOOL, locals, e.op === "and" ? "`&&`" : "`||`");
        return BOOL;
      case "cond": {
        this.want(e.test, BOOL, locals, "`?`");
        const then = this.type(e.then, locals);
        const otherwise = this.type(e.otherwise, locals);
        return this.join([then, otherwise]);
      }
      case "binary":
        return typeOfBinary(this, e, locals);
      default:
        return e satisfies never;
    }
  }

  #ident(e: ExprOf<"ident">, locals: Locals): Type {
    const local = e.absolute ? undefined : locals.get(e.name);
    if (local) return local;
    const reference = this.env.resolve(e, (name) => locals.get(name) !== undefined);
    if (reference) return "variable" in reference ? reference.variable.type : { kind: "type", of: DYN };
    const names = [...locals.names(), ...this.env.variables.keys()].filter((name) => !name.includes("."));
    throw new Defect(`unknown fact \`${e.name}\``, e, didYouMean(e.name, names, "known facts"));
  }

  #select(e: ExprOf<"select">, locals: Locals): Type {
    const reference = e.optional ? undefined : this.env.resolve(e, (name) => locals.get(name) !== undefined);
    if (reference) return "variable" in reference ? reference.variable.type : { kind: "type", of: DYN };
    const of = this.type(e.of, locals);
    const found = this.field(of, e, false);
    return e.optional ? optionalOf(found) : found;
  }

  field(of: Type, e: ExprOf<"select">, asked: boolean): Type {
    const types: Type[] = [];
    const names: string[] = [];
    let through = false;
    for (const member of this.members(of)) {
      switch (member.kind) {
        case "dyn":
          types.push(DYN);
          break;
        case "map":
          if (!this.fits(STRING, member.key)) break;
          types.push(member.value);
          break;
        case "optional": {
          through = true;
          types.push(this.field(member.of, e, asked));
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
    if (names.length > 0 || this.members(of).some((m) => m.kind === "object")) {
      const missing = type.kind === "object" ? type.missing : undefined;
      const help = missing ? missing(e.field) : didYouMean(e.field, names, "its fields");
      throw new Defect(`\`${path}\` has no field \`${e.field}\``, e.at, help);
    }
    throw new Defect(`\`${path}\` is ${phrase(type)} and has no fields`, e.at);
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
    for (const member of this.members(of)) {
      const target = member.kind === "optional" ? this.known(member.of) : member;
      const found = this.#element(target, index, e);
      if (!found) continue;
      if (member.kind === "optional") through = true;
      types.push(found);
    }
    if (types.length === 0)
      throw new Defect(`${phrase(this.settle(of))} cannot be indexed by ${phrase(this.settle(index))}`, e);
    const type = types.length === 1 ? (types[0] as Type) : unionOf(types.map((t) => this.settle(t)));
    return through || e.optional ? optionalOf(type) : type;
  }

  #element(of: Type, index: Type, e: ExprOf<"index">): Type | undefined {
    switch (of.kind) {
      case "dyn":
      case "param":
        return DYN;
      case "list":
        return this.mayBeNumber(index) ? of.of : undefined;
      case "map":
        return this.fits(index, of.key) || this.bothNumeric(index, of.key) ? of.value : undefined;
      case "object": {
        if (!this.fits(index, STRING)) return undefined;
        if (e.index.op !== "literal" || typeof e.index.value !== "string") return fieldsType(of);
        const field = of.fields.get(e.index.value);
        if (field) return field.type;
        if (of.rest) return of.rest;
        const names = [...of.fields.keys()];
        throw new Defect(
          `\`${dottedName(e.of) ?? "this value"}\` has no field \`${e.index.value}\``,
          e.index,
          of.missing ? of.missing(e.index.value) : didYouMean(e.index.value, names, "its fields"),
        );
      }
      default:
        return undefined;
    }
  }

  #item(e: Expr, optional: boolean, locals: Locals): Type {
    const type = this.type(e, locals);
    if (!optional) return type;
    const of = this.unifier.fresh();
    if (this.fits(type, optionalOf(of))) return of;
    this.defects.push(new Defect(`\`?\` takes an optional, but this is ${phrase(this.settle(type))}`, e));
    return DYN;
  }

  #map(e: ExprOf<"map">, locals: Locals): Type {
    const keys: Type[] = [];
    const values: Type[] = [];
    for (const entry of e.entries) {
      const key = this.type(entry.key, locals);
      const allowed = this.members(key).some((t) => ["string", "bool", "int", "uint", "dyn"].includes(t.kind));
      if (!allowed)
        this.defects.push(
          new Defect(
            `a map's key cannot be ${phrase(this.settle(key))}`,
            entry.key,
            "use a string, a bool or an integer",
          ),
        );
      keys.push(key);
      values.push(this.#item(entry.value, entry.optional, locals));
    }
    return mapOf(this.join(keys), this.join(values));
  }
}
