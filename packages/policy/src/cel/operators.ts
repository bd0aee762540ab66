import { equal, lookUp, mapSize, order } from "./compare.ts";
import type { Native } from "./env.ts";
import { Fault, NO_OVERLOAD, SPENT } from "./fault.ts";
import { type Code, type Frame, spend } from "./frame.ts";
import { toDouble, type Value } from "./value.ts";

/** Runs a part whose fault may not matter: gives the boolean, or the fault. Only running out of fuel ends everything. */
export function attempt(code: Code, frame: Frame): boolean | Fault {
  try {
    const value = code(frame);
    return typeof value === "boolean" ? value : NO_OVERLOAD;
  } catch (error) {
    if (error instanceof Fault && error !== SPENT) return error;
    throw error;
  }
}

/** Code that only ever faults. */
export function faulty(fault: Fault): Code {
  return () => {
    throw fault;
  };
}

/** A JSON number that is a double by its static type, as one. */
export function widened(code: Code): Code {
  return (f) => {
    const value = code(f);
    return typeof value === "number" ? toDouble(value) : value;
  };
}

/** `&&` (until a false) or `||` (until a true): a decisive term outweighs the faults of others, on either side. */
export function logic(terms: readonly Code[], until: boolean): Code {
  return (f) => {
    let fault: Fault | undefined;
    for (const term of terms) {
      const value = attempt(term, f);
      if (value === until) return until;
      if (typeof value !== "boolean") fault ??= value;
    }
    if (fault) throw fault;
    return !until;
  };
}

/** The code of an ordering operator. */
export function comparison(operator: "<" | "<=" | ">" | ">=", left: Code, right: Code): Code {
  // JavaScript compares its numbers as CEL does, NaN included; only other types need more.
  switch (operator) {
    case "<":
      return (f) => {
        const a = left(f);
        const b = right(f);
        return typeof a === "number" && typeof b === "number" ? a < b : order(a, b, f) < 0;
      };
    case "<=":
      return (f) => {
        const a = left(f);
        const b = right(f);
        return typeof a === "number" && typeof b === "number" ? a <= b : order(a, b, f) <= 0;
      };
    case ">":
      return (f) => {
        const a = left(f);
        const b = right(f);
        return typeof a === "number" && typeof b === "number" ? a > b : order(a, b, f) > 0;
      };
    case ">=":
      return (f) => {
        const a = left(f);
        const b = right(f);
        return typeof a === "number" && typeof b === "number" ? a >= b : order(a, b, f) >= 0;
      };
    default:
      return operator satisfies never;
  }
}

/** `value in container`. */
export function contains(container: Value, value: Value, frame: Frame): boolean {
  if (!Array.isArray(container)) {
    if (mapSize(container) === undefined) throw NO_OVERLOAD;
    return lookUp(container, value) !== undefined;
  }
  spend(frame, container.length);
  for (const item of container as readonly Value[]) if (equal(item, value, frame)) return true;
  return false;
}

/** The code of a call, without an argument list to be built for the usual numbers of arguments. */
export function callOf(native: Native, args: readonly Code[]): Code {
  const [a, b, c] = args as [Code, Code, Code];
  switch (args.length) {
    case 0:
      return (f) => native(f);
    case 1:
      return (f) => native(f, a(f));
    case 2:
      return (f) => native(f, a(f), b(f));
    case 3:
      return (f) => native(f, a(f), b(f), c(f));
    default:
      return (f) => native(f, ...args.map((arg) => arg(f)));
  }
}
