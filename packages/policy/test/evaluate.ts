import { evaluate, type Outcome, prepare, prepareUnchecked } from "../src/cel/engine.ts";
import { Environment, type Variable } from "../src/cel/env.ts";
import { LIBRARY } from "../src/cel/lib/index.ts";
import { DYN } from "../src/cel/type.ts";
import type { Value } from "../src/cel/value.ts";

/** An environment in which the keys of `facts` are variables of unknown type. */
export function environmentOf(facts: Readonly<Record<string, unknown>>): Environment {
  const variables = Object.keys(facts).map(
    (name): Variable => ({ name, type: DYN, read: (all) => (all as Readonly<Record<string, Value>>)[name] }),
  );
  return new Environment(variables, LIBRARY);
}

/** Checks, compiles and runs; a defect of the check is thrown. */
export function run(text: string, facts: Readonly<Record<string, unknown>> = {}, fuel?: number): Outcome {
  const { checked, program } = prepare(text, environmentOf(facts));
  if (!program) throw checked.defects[0] ?? new Error("neither a program nor a defect");
  return evaluate(program, facts, fuel);
}

/** Runs without checking. */
export function runUnchecked(text: string, facts: Readonly<Record<string, unknown>> = {}, fuel?: number): Outcome {
  return evaluate(prepareUnchecked(text, environmentOf(facts)), facts, fuel);
}

/** The value of an expression that has one; throws its fault's message. */
export function valueOf(text: string, facts: Readonly<Record<string, unknown>> = {}): unknown {
  const outcome = run(text, facts);
  if (outcome.ok) return outcome.value;
  throw new Error(outcome.fault.message);
}

/** The code of the fault that an expression must end in. */
export function faultOf(text: string, facts: Readonly<Record<string, unknown>> = {}): string {
  const outcome = runUnchecked(text, facts);
  if (outcome.ok) throw new Error("the expression has a value");
  return outcome.fault.code;
}
