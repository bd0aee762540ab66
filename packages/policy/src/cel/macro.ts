import type { Expr, ExprOf } from "./ast.ts";
import { Defect } from "./fault.ts";

/** Macros over a list or a map. `exists_one` and `existsOne` are one. */
export type LoopKind =
  | "all"
  | "exists"
  | "exists_one"
  | "map"
  | "filter"
  | "transformList"
  | "transformMap"
  | "transformMapEntry"
  | "sortBy";

/** What a call stands for if it is a macro: its own kind of evaluation, with names of its own. */
export type Macro =
  | { readonly kind: "has"; readonly of: ExprOf<"select"> }
  | {
      readonly kind: "loop";
      readonly loop: LoopKind;
      readonly over: Expr;
      readonly names: readonly string[];
      /** Only what passes is transformed. */
      readonly filter?: Expr;
      readonly body: Expr;
    }
  | { readonly kind: "bind"; readonly name: string; readonly value: Expr; readonly body: Expr }
  | { readonly kind: "optional"; readonly flat: boolean; readonly of: Expr; readonly name: string; readonly body: Expr }
  /** `or` and `orValue` look at their argument only if the optional is empty. */
  | { readonly kind: "else"; readonly wrapped: boolean; readonly of: Expr; readonly other: Expr };

function nameOf(e: Expr | undefined): string {
  if (e?.op === "ident" && !e.absolute) return e.name;
  throw new Defect(
    "the first argument of this macro must be a plain name",
    e as Expr,
    "write for example `list.all(x, x > 0)`",
  );
}

/** The macro that a call is, by its name and number of arguments; undefined for a function. Throws a Defect if it is malformed. */
export function macroOf(call: ExprOf<"call">): Macro | undefined {
  const { target, name, args } = call;
  const [first, second, third, fourth] = args as [Expr, Expr, Expr, Expr];
  if (!target) {
    if (name !== "has" || args.length !== 1) return undefined;
    if (first.op === "select") return { kind: "has", of: first };
    throw new Defect("`has` takes a field", first, "write for example `has(args.to)`");
  }
  if (name === "bind" && target.op === "ident" && target.name === "cel" && args.length === 3) {
    return { kind: "bind", name: nameOf(first), value: second, body: third };
  }
  switch (`${name}/${args.length}`) {
    case "all/2":
    case "exists/2":
    case "exists_one/2":
    case "existsOne/2":
    case "filter/2":
    case "sortBy/2":
    case "map/2":
      return { kind: "loop", loop: loopOf(name), over: target, names: [nameOf(first)], body: second };
    case "map/3":
      return { kind: "loop", loop: "map", over: target, names: [nameOf(first)], filter: second, body: third };
    case "all/3":
    case "exists/3":
    case "exists_one/3":
    case "existsOne/3":
    case "transformList/3":
    case "transformMap/3":
    case "transformMapEntry/3":
      return { kind: "loop", loop: loopOf(name), over: target, names: pair(first, second), body: third };
    case "transformList/4":
    case "transformMap/4":
    case "transformMapEntry/4":
      return {
        kind: "loop",
        loop: loopOf(name),
        over: target,
        names: pair(first, second),
        filter: third,
        body: fourth,
      };
    case "optMap/2":
    case "optFlatMap/2":
      return { kind: "optional", flat: name === "optFlatMap", of: target, name: nameOf(first), body: second };
    case "or/1":
    case "orValue/1":
      return { kind: "else", wrapped: name === "or", of: target, other: first };
    default:
      return undefined;
  }
}

function loopOf(name: string): LoopKind {
  return name === "existsOne" ? "exists_one" : (name as LoopKind);
}

function pair(first: Expr, second: Expr): string[] {
  const names = [nameOf(first), nameOf(second)];
  if (names[0] === names[1]) throw new Defect("the two names of this macro must differ", second);
  return names;
}
