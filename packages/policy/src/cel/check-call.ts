import { didYouMean } from "../suggest.ts";
import { dottedName, type Expr, type ExprOf, rootOf } from "./ast.ts";
import { typeOfMacro } from "./check-macro.ts";
import type { Checking, Locals } from "./checking.ts";
import type { FunctionDecl } from "./env.ts";
import { Defect } from "./fault.ts";
import { macroOf } from "./macro.ts";
import { DYN, sameType, type Type, typeText } from "./type.ts";

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

/** The type of a call: of a function, or of what a macro stands for. */
export function typeOfCall(c: Checking, e: ExprOf<"call">, locals: Locals): Type {
  const macro = macroOf(e);
  if (macro) return typeOfMacro(c, macro, locals);
  const isLocal = (name: string): boolean => locals.get(name) !== undefined;
  const found = c.env.functionOf(e, isLocal);
  if (!found) {
    if (e.target && !isNamespace(c, e.target, isLocal)) c.type(e.target, locals);
    for (const arg of e.args) c.type(arg, locals);
    throw unknownFunction(c, e);
  }
  const args = found.member ? [e.target as Expr, ...e.args] : e.args;
  const types = args.map((arg) => c.type(arg, locals));
  return typeOfOverload(c, e, found.decl, found.member, types);
}

/** Whether a call's target is a name without meaning of its own, such as the `math` of `math.ceil`. */
function isNamespace(c: Checking, target: Expr, isLocal: (name: string) => boolean): boolean {
  const root = rootOf(target);
  return root !== undefined && dottedName(target) !== undefined && !isLocal(root.name) && !c.env.resolve(root, isLocal);
}

function unknownFunction(c: Checking, e: ExprOf<"call">): Defect {
  const decls = [...c.env.functions.values()];
  const namespace = e.target && dottedName(e.target);
  const whole =
    namespace !== undefined && !c.env.variables.has(namespace.split(".")[0] as string)
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

function typeOfOverload(
  c: Checking,
  e: ExprOf<"call">,
  decl: FunctionDecl,
  member: boolean,
  types: readonly Type[],
): Type {
  let result: Type | undefined;
  for (const overload of decl.overloads) {
    if (overload.member !== member) continue;
    const variadic = decl.variadic !== undefined && overload.params.length === 1 && types.length !== 1;
    if (!variadic && overload.params.length !== types.length) continue;
    const [returned, ...params] = c.unifier.instantiate([overload.result, ...overload.params]) as [Type, ...Type[]];
    const fits = c.unifier.attempt(() =>
      types.every((type, i) => c.unifier.assignable(type, (variadic ? params[0] : params[i]) as Type)),
    );
    if (!fits) continue;
    if (decl.variadic) return returned;
    // Overloads that all fit, because a type is not known, leave the result open if they disagree.
    result = result === undefined || sameType(c.settle(result), c.settle(returned)) ? returned : DYN;
  }
  if (result) return result;
  const given = types.map((type) => typeText(c.settle(type)));
  const takes = decl.overloads.filter((o) => o.member === member).map((o) => signature(decl.name, o.member, o.params));
  const got = member ? `${given[0]}.${decl.name}(${given.slice(1).join(", ")})` : `${decl.name}(${given.join(", ")})`;
  throw new Defect(`there is no \`${got}\``, e, `it takes ${takes.slice(0, 6).join(" or ")}`);
}

function signature(name: string, member: boolean, params: readonly Type[]): string {
  const texts = params.map(typeText);
  return member ? `\`${texts[0]}.${name}(${texts.slice(1).join(", ")})\`` : `\`${name}(${texts.join(", ")})\``;
}
