import { type Checked, check } from "./check.ts";
import { compile, type Program } from "./compile.ts";
import type { Environment } from "./env.ts";
import { Fault } from "./fault.ts";
import type { Frame } from "./frame.ts";
import { parse } from "./parse.ts";
import type { Value } from "./value.ts";

/** The cost that one evaluation may cause. At about 20 ns a unit this is some 4 ms at most. */
export const FUEL = 200_000;

/** What an evaluation gives: a value, or why there is none. */
export type Outcome = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly fault: Fault };

/** Runs a program once. Never throws: a fault of the expression is an outcome, and so is running out of stack or fuel. */
export function evaluate(program: Program, facts: unknown, fuel = FUEL): Outcome {
  const frame: Frame = { facts, slots: new Array<Value>(program.slots).fill(null), fuel };
  try {
    return { ok: true, value: program.code(frame) };
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}

/** Any thrown value as a fault. What is not one already is a limit of the machine (stack, string length) or a defect of ours. */
export function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const message =
    error instanceof RangeError
      ? "the evaluation went over a limit of the machine"
      : "the evaluation failed inside the engine";
  return new Fault("spent", message);
}

/** Parses, checks and compiles. Throws a Defect for a syntax error; a checked expression with defects is not compiled. */
export function prepare(
  text: string,
  env: Environment,
): { readonly checked: Checked; readonly program: Program | undefined } {
  const expr = parse(text);
  const checked = check(expr, env);
  return { checked, program: checked.defects.length ? undefined : compile(expr, env, checked.types) };
}

/** Compiles without checking: unknown names and types that do not fit become faults of the evaluation. */
export function prepareUnchecked(text: string, env: Environment): Program {
  return compile(parse(text), env);
}
