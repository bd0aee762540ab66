import { childrenOf, dottedName, type Expr } from "./cel/ast.ts";
import { LibraryBuilder } from "./cel/env.ts";
import { addFlow } from "./cel/lib/flow.ts";

/** Every function of the flow group but `withRole`, which looks at the manifest and the arguments alone. */
const FUNCTIONS: ReadonlySet<string> = flowFunctions();

function flowFunctions(): Set<string> {
  const lib = new LibraryBuilder();
  addFlow(lib);
  const names = new Set(lib.functions.keys());
  names.delete("withRole");
  return names;
}

/** The first function in an expression that asks where values came from. The fact `action` is no function: it is among the facts. */
export function flowFunctionIn(e: Expr): (Expr & { readonly op: "call" }) | undefined {
  if (e.op === "call") {
    const namespace = e.target && dottedName(e.target);
    if (FUNCTIONS.has(e.name) || FUNCTIONS.has(`${namespace}.${e.name}`)) return e;
  }
  for (const child of childrenOf(e)) {
    const found = flowFunctionIn(child);
    if (found) return found;
  }
  return undefined;
}
