import type { Range } from "./ast.ts";

/** Why an evaluation has no value. `spent` and `internal` are never absorbed by `&&` and `||`. */
export type FaultCode =
  | "no_such_overload"
  | "no_such_key"
  | "no_such_variable"
  | "no_such_function"
  | "out_of_range"
  | "overflow"
  | "divide_by_zero"
  | "invalid_argument"
  | "duplicate_key"
  | "not_bool"
  | "spent";

/**
 * An error of the evaluated expression. Thrown, but not an Error: an attacker can cause one at will, and a stack trace
 * would cost more than the rest of the evaluation. The message MUST NOT carry values of arguments.
 */
export class Fault {
  readonly code: FaultCode;
  readonly message: string;

  constructor(code: FaultCode, message: string) {
    this.code = code;
    this.message = message;
  }
}

export const NO_OVERLOAD = new Fault(
  "no_such_overload",
  "an operator or function does not accept a value of this type",
);
export const SPENT = new Fault("spent", "the evaluation went over its cost limit");
export const OVERFLOW = new Fault("overflow", "an integer is out of range");

/** A fault for an argument that a function refuses. */
export function invalid(message: string): Fault {
  return new Fault("invalid_argument", message);
}

/** What is wrong with an expression's text or types. Thrown by the parser, collected by the checker. */
export class Defect extends Error {
  readonly range: Range;
  readonly help: string | undefined;

  constructor(message: string, range: Range, help?: string) {
    super(message);
    this.name = "Defect";
    this.range = range;
    this.help = help;
  }
}
