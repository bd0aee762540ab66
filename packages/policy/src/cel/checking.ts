import type { Expr, ExprOf } from "./ast.ts";
import type { Environment } from "./env.ts";
import { Defect } from "./fault.ts";
import type { Scope } from "./scope.ts";
import { DYN, NULL, phrase, type Type, typeText, unionOf } from "./type.ts";
import { Unifier } from "./unify.ts";

const NUMERIC = new Set<Type["kind"]>(["int", "uint", "double"]);

/** The types of the names that macros introduce. */
export type Locals = Scope<Type>;

/** What the parts of the checker share: the names, what is known of types so far, and the findings. */
export abstract class Checking {
  readonly defects: Defect[] = [];
  readonly warnings: Defect[] = [];
  readonly env: Environment;
  readonly unifier = new Unifier();

  constructor(env: Environment) {
    this.env = env;
  }

  /** The type of an expression; a defect in it is reported and makes it `dyn`. */
  abstract type(e: Expr, locals: Locals): Type;
  /** The type of a field of `of`. `asked` says that the expression only asks whether it is there. */
  abstract field(of: Type, e: ExprOf<"select">, asked: boolean): Type;

  /** Whether a value of type `from` may stand where `to` is wanted. */
  fits(from: Type, to: Type): boolean {
    return this.unifier.attempt(() => this.unifier.assignable(from, to));
  }

  /** The type with all that turned out about its parameters. */
  settle(type: Type): Type {
    return this.unifier.settle(type);
  }

  /** The type behind a parameter, as far as it is known. */
  known(type: Type): Type {
    return this.unifier.shallow(type);
  }

  /** The types a value may have: the members of a union, or the type itself. */
  members(type: Type): readonly Type[] {
    const known = this.known(type);
    if (known.kind === "param") return [DYN];
    return known.kind === "union" ? known.of : [known];
  }

  /** Reports an expression that cannot have the wanted type. */
  want(e: Expr, wanted: Type, locals: Locals, where: string): void {
    const type = this.type(e, locals);
    if (this.fits(type, wanted)) return;
    this.defects.push(new Defect(`${where} takes a ${typeText(wanted)}, but this is ${phrase(this.settle(type))}`, e));
  }

  /** What a value of any of the types has in common: `dyn` if nothing. */
  join(types: readonly Type[]): Type {
    const [first, ...rest] = types;
    if (!first) return this.unifier.fresh();
    let joined = first;
    for (const type of rest) {
      const fits = this.fits(type, joined);
      if (!fits) return this.#nullable([...types]) ?? DYN;
      joined = this.unifier.mostGeneral(joined, type);
    }
    return joined;
  }

  /** JSON has nulls anywhere: `cond ? null : "x"` is a union. */
  #nullable(types: Type[]): Type | undefined {
    const rest = types.filter((type) => this.known(type).kind !== "null");
    if (rest.length === types.length || rest.length === 0) return undefined;
    return unionOf([this.settle(this.join(rest)), NULL]);
  }

  /** Whether the type may be a number's. */
  mayBeNumber(type: Type): boolean {
    return this.members(type).some((t) => NUMERIC.has(t.kind) || t.kind === "dyn");
  }

  /** Whether both may be numbers for sure: numbers of different types compare with each other. */
  bothNumeric(x: Type, y: Type): boolean {
    return this.members(x).some((t) => NUMERIC.has(t.kind)) && this.members(y).some((t) => NUMERIC.has(t.kind));
  }
}
