import { elementAt, missing, optionalElementAt, select, selectOptional } from "./access.ts";
import { type Arithmetic, arithmetic, negate, staticDouble } from "./arithmetic.ts";
import type { Expr, ExprOf } from "./ast.ts";
import { equal } from "./compare.ts";
import type { Environment, Native } from "./env.ts";
import { compileMacro } from "./expand.ts";
import { Defect, Fault, NO_OVERLOAD } from "./fault.ts";
import { type Code, spend } from "./frame.ts";
import type { Compiling, Locals } from "./locals.ts";
import { macroOf } from "./macro.ts";
import { callOf, comparison, contains, faulty, logic, widened } from "./operators.ts";
import { Scope } from "./scope.ts";
import type { Type } from "./type.ts";
import { MapValue, Optional, type Value } from "./value.ts";

/** A compiled expression. Immutable; any number of evaluations may run over it. */
export interface Program {
  readonly code: Code;
  /** How many slots a frame needs. */
  readonly slots: number;
  /** Calls with constant arguments that can only fail, such as an invalid pattern. */
  readonly hopeless: readonly Defect[];
}

/** Fuel for what is worked out once, while loading. */
const FOLD_FUEL = 10_000;

/** Turns an expression into closures. With `types` (from checking) they are cut to the static types. MUST be given a checked expression or none of its types. */
export function compile(expr: Expr, env: Environment, types?: ReadonlyMap<Expr, Type>): Program {
  const compiler = new Compiler(env, types);
  const code = compiler.code(expr, Scope.empty);
  return { code, slots: compiler.slots, hopeless: compiler.hopeless };
}

class Compiler implements Compiling {
  slots = 0;
  readonly hopeless: Defect[] = [];
  readonly #env: Environment;
  readonly #types: ReadonlyMap<Expr, Type> | undefined;
  readonly #constants = new Map<Code, Value>();

  constructor(env: Environment, types: ReadonlyMap<Expr, Type> | undefined) {
    this.#env = env;
    this.#types = types;
  }

  slot(): number {
    return this.slots++;
  }

  code(e: Expr, locals: Locals): Code {
    switch (e.op) {
      case "literal":
        return this.#constant(e.value);
      case "ident":
        return this.#ident(e, locals);
      case "select":
        return this.#select(e, locals);
      case "index":
        return this.#index(e, locals);
      case "call":
        return this.#call(e, locals);
      case "list":
        return this.#list(e, locals);
      case "map":
        return this.#map(e, locals);
      case "not": {
        const of = this.code(e.of, locals);
        return (f) => {
          const value = of(f);
          if (typeof value !== "boolean") throw NO_OVERLOAD;
          return !value;
        };
      }
      case "negate": {
        const of = this.code(e.of, locals);
        return this.#folded([of], (f) => negate(of(f)));
      }
      case "and":
        return logic(
          e.terms.map((term) => this.code(term, locals)),
          false,
        );
      case "or":
        return logic(
          e.terms.map((term) => this.code(term, locals)),
          true,
        );
      case "cond": {
        const test = this.code(e.test, locals);
        const then = this.code(e.then, locals);
        const otherwise = this.code(e.otherwise, locals);
        return (f) => {
          const value = test(f);
          if (typeof value !== "boolean") throw NO_OVERLOAD;
          return value ? then(f) : otherwise(f);
        };
      }
      case "binary":
        return this.#binary(e, locals);
      default:
        return e satisfies never;
    }
  }

  #constant(value: Value): Code {
    const code: Code = () => value;
    this.#constants.set(code, value);
    return code;
  }

  /** Works the code out now if all its parts are known; code that faults stays as it is. */
  #folded(parts: readonly Code[], code: Code): Code {
    if (!parts.every((part) => this.#constants.has(part))) return code;
    try {
      return this.#constant(code({ facts: undefined, slots: [], fuel: FOLD_FUEL }));
    } catch (error) {
      if (error instanceof Fault) return code;
      throw error;
    }
  }

  #kind(e: Expr): Type["kind"] {
    return this.#types?.get(e)?.kind ?? "dyn";
  }

  /** Whether a number that the expression gives is a double, if it gives a number. */
  #isDouble(e: Expr): boolean {
    const type = this.#types?.get(e);
    if (type?.kind !== "union") return type?.kind === "double";
    const kinds = type.of.map((member) => member.kind);
    return kinds.includes("double") && !kinds.includes("int") && !kinds.includes("dyn");
  }

  isJson(e: Expr, locals: Locals): boolean {
    if (e.op === "select") return this.isJson(e.of, locals);
    if (e.op === "index") return this.isJson(e.of, locals);
    if (e.op !== "ident") return false;
    return locals.get(e.name)?.json ?? this.#env.resolve(e, () => false) !== undefined;
  }

  /** The code of a value that leaves the reach of its static type: a JSON number that is a double becomes one. */
  #canonical(e: Expr, locals: Locals): Code {
    const code = this.code(e, locals);
    return this.#isDouble(e) && this.isJson(e, locals) ? widened(code) : code;
  }

  #ident(e: ExprOf<"ident">, locals: Locals): Code {
    const local = e.absolute ? undefined : locals.get(e.name);
    if (local) {
      const { slot } = local;
      return (f) => f.slots[slot] as Value;
    }
    return this.#reference(e, locals) ?? faulty(new Fault("no_such_variable", `unknown fact \`${e.name}\``));
  }

  #reference(e: Expr, locals: Locals): Code | undefined {
    const reference = this.#env.resolve(e, (name) => locals.get(name) !== undefined);
    if (!reference) return undefined;
    if ("type" in reference) return this.#constant(reference.type);
    const { variable } = reference;
    if (variable.constant !== undefined) return this.#constant(variable.constant);
    const unbound = new Fault("no_such_variable", `\`${variable.name}\` has no value`);
    return (f) => {
      const value = variable.read(f.facts);
      if (value === undefined) throw unbound;
      return value;
    };
  }

  #select(e: ExprOf<"select">, locals: Locals): Code {
    const reference = e.optional ? undefined : this.#reference(e, locals);
    if (reference) return reference;
    const of = this.code(e.of, locals);
    const { field } = e;
    if (e.optional) return (f) => selectOptional(of(f), field);
    const fault = missing(field);
    return this.#folded([of], (f) => {
      const object = of(f);
      // The common case first: a plain object, of which only own properties exist.
      if (typeof object === "object" && object !== null && Object.getPrototypeOf(object) === Object.prototype) {
        if (Object.hasOwn(object, field)) {
          const value = (object as { readonly [key: string]: Value | undefined })[field];
          if (value !== undefined) return value;
        }
        throw fault;
      }
      return select(object, field, fault);
    });
  }

  #index(e: ExprOf<"index">, locals: Locals): Code {
    const of = this.code(e.of, locals);
    const index = this.code(e.index, locals);
    const code: Code = e.optional ? (f) => optionalElementAt(of(f), index(f)) : (f) => elementAt(of(f), index(f));
    return this.#folded([of, index], code);
  }

  #list(e: ExprOf<"list">, locals: Locals): Code {
    const items = e.items.map((item) => this.#canonical(item, locals));
    const { optionals } = e;
    if (!optionals.includes(true)) return this.#folded(items, (f) => items.map((item) => item(f)));
    return (f) => {
      const list: Value[] = [];
      items.forEach((item, i) => {
        const value = item(f);
        if (!optionals[i]) list.push(value);
        else if (!(value instanceof Optional)) throw NO_OVERLOAD;
        else if (value.present) list.push(value.value);
      });
      return list;
    };
  }

  #map(e: ExprOf<"map">, locals: Locals): Code {
    const entries = e.entries.map(({ key, value, optional }) => ({
      key: this.code(key, locals),
      value: this.#canonical(value, locals),
      optional,
    }));
    const parts = entries.flatMap((entry) => [entry.key, entry.value]);
    return this.#folded(parts, (f) => {
      const map = new MapValue();
      for (const entry of entries) {
        const key = entry.key(f);
        let value = entry.value(f);
        if (entry.optional) {
          if (!(value instanceof Optional)) throw NO_OVERLOAD;
          if (!value.present) continue;
          value = value.value;
        }
        if (!map.add(key, value)) throw new Fault("duplicate_key", "a map has a key twice");
      }
      return map;
    });
  }

  #binary(e: ExprOf<"binary">, locals: Locals): Code {
    const left = this.code(e.left, locals);
    const right = this.code(e.right, locals);
    switch (e.operator) {
      case "==":
        return this.#folded([left, right], this.#equality(left, right, true));
      case "!=":
        return this.#folded([left, right], this.#equality(left, right, false));
      case "<":
      case "<=":
      case ">":
      case ">=":
        return this.#folded([left, right], comparison(e.operator, left, right));
      case "in":
        return this.#folded([left, right], this.#membership(left, right));
      default:
        return this.#folded([left, right], this.#arithmetic(e, e.operator, left, right, locals));
    }
  }

  #equality(left: Code, right: Code, positive: boolean): Code {
    const known = this.#constants.get(right);
    if (typeof known === "string" || typeof known === "boolean" || known === null) {
      return (f) => (left(f) === known) === positive;
    }
    return (f) => {
      const a = left(f);
      const b = right(f);
      if (typeof a === "string" && typeof b === "string") {
        spend(f, a.length >> 6);
        return (a === b) === positive;
      }
      return equal(a, b, f) === positive;
    };
  }

  #membership(left: Code, right: Code): Code {
    const known = this.#constants.get(right);
    if (Array.isArray(known) && known.length > 0 && known.every((item) => typeof item === "string")) {
      const set = new Set<Value>(known);
      return (f) => set.has(left(f));
    }
    return (f) => contains(right(f), left(f), f);
  }

  #arithmetic(e: ExprOf<"binary">, op: Arithmetic, left: Code, right: Code, locals: Locals): Code {
    if (this.#kind(e.left) === "double" && this.#kind(e.right) === "double") {
      return (f) => staticDouble(op, left(f), right(f));
    }
    // A number from JSON takes the type of a partner that is a double for sure.
    const widen = (side: Expr, partner: Expr, code: Code): Code => {
      const double = this.#isDouble(side) || (this.#kind(side) === "dyn" && this.#kind(partner) === "double");
      return double && this.isJson(side, locals) ? widened(code) : code;
    };
    const a = widen(e.left, e.right, left);
    const b = widen(e.right, e.left, right);
    return (f) => arithmetic(op, a(f), b(f), f);
  }

  #call(e: ExprOf<"call">, locals: Locals): Code {
    const macro = macroOf(e);
    if (macro) return compileMacro(this, macro, locals);
    const found = this.#env.functionOf(e, (name) => locals.get(name) !== undefined);
    const args = (found?.member === false ? e.args : [...(e.target ? [e.target] : []), ...e.args]).map((arg) =>
      this.#canonical(arg, locals),
    );
    const native = found && (found.decl.natives.get(args.length) ?? found.decl.variadic);
    if (!found || !native) {
      // Without checking, this is known only now; like an unknown variable it is an error of the evaluation.
      const fault = found ? NO_OVERLOAD : new Fault("no_such_function", `unknown function \`${e.name}\``);
      return faulty(fault);
    }
    const prepared = this.#prepared(e, found.decl.prepare, args) ?? native;
    const code = callOf(prepared, args);
    if (!args.every((arg) => this.#constants.has(arg))) return code;
    try {
      return this.#constant(code({ facts: undefined, slots: [], fuel: FOLD_FUEL }));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === "invalid_argument") this.#note(e, error);
      return code;
    }
  }

  #prepared(
    e: ExprOf<"call">,
    prepare: ((constants: readonly (Value | undefined)[]) => Native | undefined) | undefined,
    args: readonly Code[],
  ): Native | undefined {
    try {
      return prepare?.(args.map((arg) => this.#constants.get(arg)));
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#note(e, error);
      return () => {
        throw error;
      };
    }
  }

  #note(e: Expr, fault: Fault): void {
    this.hopeless.push(new Defect(`this call can only fail: ${fault.message}`, e));
  }
}
