import type { Expr } from "./ast.ts";
import type { Code } from "./frame.ts";
import type { Scope } from "./scope.ts";

/** Where a local name's value is, and whether it came from JSON as it is. */
export interface Local {
  readonly slot: number;
  readonly json: boolean;
}

export type Locals = Scope<Local>;

/** What the code of macros needs of the compiler. */
export interface Compiling {
  code(e: Expr, locals: Locals): Code;
  /** A new slot of the frame. */
  slot(): number;
  /** Whether the value comes out of JSON as it is, so that a whole number may stand for a double. */
  isJson(e: Expr, locals: Locals): boolean;
}
