import type { Principal, ToolFacts } from "@callgate/core";
import { childrenOf, type Expr } from "../cel/ast.ts";
import { check } from "../cel/check.ts";
import { compile, type Program } from "../cel/compile.ts";
import { FUEL } from "../cel/engine.ts";
import type { Environment, Variable } from "../cel/env.ts";
import { Fault } from "../cel/fault.ts";
import type { Type } from "../cel/type.ts";
import type { Value } from "../cel/value.ts";

/** What is known of a call before it is made. What is absent may be anything. */
export interface Known {
  readonly tool?: ToolFacts;
  /** The user that an agent acts for is never known. */
  readonly principal?: Principal & { readonly scopes: readonly string[] };
}

/** Thrown where an evaluation reads a fact that is not known. It is no fault: `||` MUST NOT absorb it. */
const UNKNOWN = new Error("not known");

/** The facts of a call of which some are not known: reading one of those ends the evaluation. */
export function factsOf({ tool, principal }: Known): object {
  const facts: Record<string, unknown> = { tool, principal: principal && userless(principal) };
  const absent = ["principal", "tool", "args", "session", "loop", "budget", "script", "flow", "time", "result"];
  for (const name of absent.filter((one) => facts[one] === undefined)) poison(facts, name);
  return facts;
}

function userless({ agent, roles, scopes }: NonNullable<Known["principal"]>): object {
  const principal = { agent, roles, scopes };
  poison(principal, "user");
  return principal;
}

function poison(object: object, name: string): void {
  Object.defineProperty(object, name, {
    enumerable: true,
    get() {
      throw UNKNOWN;
    },
  });
}

/** What an expression is known to give: a value, a fault, or nothing because it depends on what is not known. */
export type Outcome = { readonly value: Value } | { readonly fault: Fault } | undefined;

/** Evaluates what can be evaluated before the call, by the engine that decides calls. */
export function evaluateKnown(e: Expr, env: Environment, facts: object): Outcome {
  const program = programOf(e, env);
  if (!program) return undefined;
  try {
    const slots = new Array<Value>(program.slots).fill(null);
    return { value: program.code({ facts, slots, fuel: FUEL }) };
  } catch (error) {
    if (error instanceof Fault) return error.code === "spent" ? undefined : { fault: error };
    if (error === UNKNOWN || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** What is worked out for an expression in an environment, once. */
function kept<T>(make: (e: Expr, env: Environment) => T): (e: Expr, env: Environment) => T {
  const all = new WeakMap<Environment, WeakMap<Expr, T>>();
  return (e, env) => {
    let known = all.get(env);
    if (!known) {
      known = new WeakMap();
      all.set(env, known);
    }
    const before = known.get(e);
    if (before !== undefined) return before;
    const made = make(e, env);
    known.set(e, made);
    return made;
  };
}

const checkedOf = kept(check);

/** The static types of an expression's parts. */
export function typesOf(e: Expr, env: Environment): ReadonlyMap<Expr, Type> {
  return checkedOf(e, env).types;
}

/** Null for an expression that does not stand by itself. */
const programOf = kept((e, env): Program | null => {
  const { types, defects } = checkedOf(e, env);
  return defects.length > 0 ? null : compile(e, env, types);
});

/** The roles of a tool's arguments; undefined where a broker that knows its definition may find others. */
export function rolesOf(tool: ToolFacts | undefined): ReadonlySet<string> | undefined {
  if (tool?.arguments) return new Set(Object.values(tool.arguments));
  return tool && tool.operation !== "tools/call" ? new Set() : undefined;
}

/** The expression with `withRole("…")` as an empty list where no argument has that role. */
export function withoutEmptyRoles(e: Expr, held: ReadonlySet<string> | undefined): Expr {
  if (!held || !mentionsRoles(e)) return e;
  const isEmpty = (one: Expr): boolean =>
    one.op === "call" &&
    !one.target &&
    one.name === "withRole" &&
    one.args.length === 1 &&
    one.args[0]?.op === "literal" &&
    !held.has(one.args[0].value as string);
  return rewritten(e, (one) =>
    isEmpty(one) ? { op: "list", items: [], optionals: [], depth: 1, start: one.start, end: one.end } : undefined,
  );
}

function mentionsRoles(e: Expr): boolean {
  return (e.op === "call" && e.name === "withRole") || childrenOf(e).some(mentionsRoles);
}

/** A copy with every node replaced for which `put` gives another. */
function rewritten(e: Expr, put: (one: Expr) => Expr | undefined): Expr {
  const other = put(e);
  if (other) return other;
  const go = (one: Expr): Expr => rewritten(one, put);
  switch (e.op) {
    case "literal":
    case "ident":
      return e;
    case "select":
    case "not":
    case "negate":
      return { ...e, of: go(e.of) };
    case "index":
      return { ...e, of: go(e.of), index: go(e.index) };
    case "call":
      return { ...e, target: e.target && go(e.target), args: e.args.map(go) };
    case "list":
      return { ...e, items: e.items.map(go) };
    case "map":
      return { ...e, entries: e.entries.map((entry) => ({ ...entry, key: go(entry.key), value: go(entry.value) })) };
    case "and":
    case "or":
      return { ...e, terms: e.terms.map(go) };
    case "cond":
      return { ...e, test: go(e.test), then: go(e.then), otherwise: go(e.otherwise) };
    case "binary":
      return { ...e, left: go(e.left), right: go(e.right) };
    default:
      return e satisfies never;
  }
}

/** The variable with its type and without its value. */
export function unvalued({ name, type }: Variable): Variable {
  return {
    name,
    type,
    read() {
      throw UNKNOWN;
    },
  };
}
