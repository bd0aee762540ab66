import type { Expr, ExprOf, Range } from "../cel/ast.ts";
import type { Environment } from "../cel/env.ts";
import { DYN } from "../cel/type.ts";
import { type Atom, atomOf, type Reading } from "./atom.ts";
import { evaluateKnown, typesOf } from "./known.ts";
import { joined, not, type Truth } from "./truth.ts";

/** A condition as a combination of atoms. `at` is where a part stands in the rule's text. */
export type Formula =
  | { readonly op: "constant"; readonly value: Truth }
  | { readonly op: "atom"; readonly atom: Atom; readonly at: Range }
  | { readonly op: "not"; readonly of: Formula; readonly at: Range }
  | { readonly op: "and" | "or"; readonly terms: readonly Formula[]; readonly at: Range }
  | {
      readonly op: "cond";
      readonly test: Formula;
      readonly then: Formula;
      readonly otherwise: Formula;
      readonly at: Range;
    };

export const ALWAYS: Formula = { op: "constant", value: true };

/** The formula of a condition. `facts` are those that are known: see `factsOf`. */
export function formulaOf(e: Expr, env: Environment, facts: object): Formula {
  const types = typesOf(e, env);
  const reading: Reading = {
    typeOf: (one) => types.get(one) ?? DYN,
    valueOf(one) {
      const outcome = evaluateKnown(one, env, facts);
      return outcome && "value" in outcome ? outcome.value : undefined;
    },
  };
  const read = (one: Expr): Formula => {
    const parts = split(one, read);
    if (parts) return parts;
    const outcome = evaluateKnown(one, env, facts);
    if (!outcome) return { op: "atom", atom: atomOf(one, reading), at: one };
    const known = "value" in outcome ? outcome.value : undefined;
    return { op: "constant", value: typeof known === "boolean" ? known : "fault" };
  };
  return read(e);
}

/** The parts of what combines conditions; undefined for what is none. */
function split(e: Expr, read: (one: Expr) => Formula): Formula | undefined {
  switch (e.op) {
    case "not":
      return negated(read(e.of), e);
    case "and":
    case "or":
      return combined(e.op, e.terms.map(read), e);
    case "cond": {
      const test = read(e.test);
      if (test.op !== "constant") return { op: "cond", test, then: read(e.then), otherwise: read(e.otherwise), at: e };
      return test.value === "fault" ? test : read(test.value ? e.then : e.otherwise);
    }
    case "binary":
      // Exactly the opposite of `==`, in its faults too.
      return e.operator === "!=" ? negated(read(equality(e)), e) : undefined;
    default:
      return undefined;
  }
}

const equalities = new WeakMap<Expr, Expr>();

/** One node for each `!=`, so that what is worked out for it is kept. */
function equality(e: ExprOf<"binary">): Expr {
  const known = equalities.get(e) ?? { ...e, operator: "==" };
  equalities.set(e, known);
  return known;
}

function negated(of: Formula, at: Range): Formula {
  if (of.op === "constant") return { op: "constant", value: not(of.value) };
  return { op: "not", of, at };
}

/** Without the terms that make no difference. A term that is known to fail makes one: only a decisive term outweighs it. */
function combined(op: "and" | "or", terms: readonly Formula[], at: Range): Formula {
  const until = op === "or";
  if (terms.some((term) => term.op === "constant" && term.value === until)) return { op: "constant", value: until };
  const open = terms.filter((term) => term.op !== "constant" || term.value === "fault");
  if (open.every((term) => term.op === "constant"))
    return { op: "constant", value: open.length > 0 ? "fault" : !until };
  return open.length === 1 ? (open[0] as Formula) : { op, terms: open, at };
}

/** What a formula gives where the atoms have these truths, by their keys. */
export function truthOf(formula: Formula, truths: ReadonlyMap<string, Truth>): Truth {
  switch (formula.op) {
    case "constant":
      return formula.value;
    case "atom":
      return truths.get(formula.atom.key) ?? "fault";
    case "not":
      return not(truthOf(formula.of, truths));
    case "and":
    case "or":
      return joined(
        formula.terms.map((term) => truthOf(term, truths)),
        formula.op === "or",
      );
    case "cond": {
      const test = truthOf(formula.test, truths);
      return test === "fault" ? test : truthOf(test ? formula.then : formula.otherwise, truths);
    }
    default:
      return formula satisfies never;
  }
}

/** Every atom of a formula, once for each place. */
export function atomsOf(formula: Formula): readonly Atom[] {
  switch (formula.op) {
    case "constant":
      return [];
    case "atom":
      return [formula.atom];
    case "not":
      return atomsOf(formula.of);
    case "and":
    case "or":
      return formula.terms.flatMap(atomsOf);
    case "cond":
      return [formula.test, formula.then, formula.otherwise].flatMap(atomsOf);
    default:
      return formula satisfies never;
  }
}

/** What is left of a condition's text. `source` is the text that the formula was made from. */
export function textOf(formula: Formula, source: string): string {
  switch (formula.op) {
    case "constant":
      return formula.value === "fault" ? "<fails>" : String(formula.value);
    case "and":
    case "or": {
      const sign = formula.op === "and" ? " && " : " || ";
      return formula.terms.map((term) => within(textOf(term, source), formula.op, term)).join(sign);
    }
    case "not":
      return formula.of.op === "constant" || formula.of.op === "atom"
        ? flat(source, formula.at)
        : `!(${textOf(formula.of, source)})`;
    case "cond": {
      const [test, then, otherwise] = [formula.test, formula.then, formula.otherwise].map(
        (one) => `(${textOf(one, source)})`,
      );
      return `${test} ? ${then} : ${otherwise}`;
    }
    case "atom":
      return flat(source, formula.at);
    default:
      return formula satisfies never;
  }
}

function within(text: string, op: "and" | "or", term: Formula): string {
  return (term.op === "or" || term.op === "cond") && op === "and" ? `(${text})` : text;
}

function flat(source: string, { start, end }: Range): string {
  return source.slice(start, end).replaceAll(/\s+/g, " ");
}
