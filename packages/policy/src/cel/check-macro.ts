import type { Expr } from "./ast.ts";
import type { Checking, Locals } from "./checking.ts";
import { Defect } from "./fault.ts";
import type { Macro } from "./macro.ts";
import { BOOL, DYN, INT, listOf, mapOf, optionalOf, phrase, STRING, type Type, unionOf } from "./type.ts";
import { fieldsType } from "./unify.ts";

/** The type of a macro; its names are known inside it alone. */
export function typeOfMacro(c: Checking, macro: Macro, locals: Locals): Type {
  switch (macro.kind) {
    case "has": {
      const of = c.type(macro.of.of, locals);
      c.field(of, macro.of, true);
      return BOOL;
    }
    case "bind": {
      const value = c.type(macro.value, locals);
      return c.type(macro.body, locals.with(macro.name, value));
    }
    case "optional": {
      const of = unwrapped(c, macro.of, locals);
      const body = c.type(macro.body, locals.with(macro.name, of));
      if (!macro.flat) return optionalOf(body);
      return optionalOf(inside(c, body, macro.body));
    }
    case "else": {
      const of = unwrapped(c, macro.of, locals);
      const other = c.type(macro.other, locals);
      const wanted = macro.wrapped ? inside(c, other, macro.other) : other;
      const joined = c.join([of, wanted]);
      return macro.wrapped ? optionalOf(joined) : joined;
    }
    case "loop":
      return typeOfLoop(c, macro, locals);
    default:
      return macro satisfies never;
  }
}

function unwrapped(c: Checking, e: Expr, locals: Locals): Type {
  return inside(c, c.type(e, locals), e);
}

function inside(c: Checking, type: Type, e: Expr): Type {
  const of = c.unifier.fresh();
  if (c.fits(type, optionalOf(of))) return of;
  throw new Defect(
    `this is ${phrase(c.settle(type))}, not an optional`,
    e,
    "write `.?field` or `optional.of(value)` for an optional",
  );
}

function typeOfLoop(c: Checking, macro: Macro & { kind: "loop" }, locals: Locals): Type {
  const over = c.type(macro.over, locals);
  const [key, value] = ranged(c, over, macro.over);
  const [first, second] = macro.names as [string, string | undefined];
  const list = c.members(over).every((m) => m.kind === "list");
  let inner = locals;
  if (second === undefined) inner = inner.with(first, list ? value : key);
  else inner = inner.with(first, key).with(second, value);
  if (macro.filter) c.want(macro.filter, BOOL, inner, `the condition of \`${macro.loop}\``);
  switch (macro.loop) {
    case "all":
    case "exists":
    case "exists_one":
      c.want(macro.body, BOOL, inner, `\`${macro.loop}\``);
      return BOOL;
    case "filter":
      c.want(macro.body, BOOL, inner, "`filter`");
      return listOf(list ? value : key);
    case "sortBy":
      if (!list) throw new Defect("`sortBy` sorts a list", macro.over);
      c.type(macro.body, inner);
      return listOf(value);
    case "map":
    case "transformList":
      return listOf(c.type(macro.body, inner));
    case "transformMap":
      return mapOf(key, c.type(macro.body, inner));
    case "transformMapEntry": {
      const body = c.type(macro.body, inner);
      const [k, v] = [c.unifier.fresh(), c.unifier.fresh()];
      if (c.fits(body, mapOf(k, v))) return mapOf(k, v);
      throw new Defect(`\`transformMapEntry\` makes a map, but this is ${phrase(c.settle(body))}`, macro.body);
    }
    default:
      return macro.loop satisfies never;
  }
}

/** The types of the key (or index) and of the value that a loop over `type` goes through. */
function ranged(c: Checking, type: Type, e: Expr): [Type, Type] {
  const keys: Type[] = [];
  const values: Type[] = [];
  for (const member of c.members(type)) {
    if (member.kind === "dyn") {
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
    throw new Defect(`${phrase(c.settle(type))} has no elements to go through`, e, "macros go through lists and maps");
  if (keys.length === 1) return [keys[0] as Type, values[0] as Type];
  return [unionOf(keys.map((t) => c.settle(t))), unionOf(values.map((t) => c.settle(t)))];
}
