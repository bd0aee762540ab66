import type { CallFacts } from "@callgate/core";
import { childrenOf, dottedName, type Expr, rootOf } from "./cel/ast.ts";
import { macroOf } from "./cel/macro.ts";

const FACTS = new Set([
  "principal",
  "tool",
  "args",
  "session",
  "loop",
  "budget",
  "script",
  "action",
  "time",
  "settings",
  "result",
]);

/** The longest dotted names of facts in an expression (`args.path`, `session.labels`), each once. Names that a macro makes are none. */
export function factNames(expr: Expr): readonly string[] {
  const names = new Set<string>();
  collect(expr, new Set(), names);
  return [...names];
}

function collect(e: Expr, own: ReadonlySet<string>, names: Set<string>): void {
  const root = rootOf(e);
  const name = dottedName(e);
  if (name !== undefined && root) {
    if (FACTS.has(root.name) && (root.absolute || !own.has(root.name))) names.add(name);
    return;
  }
  const macro = e.op === "call" ? macroOf(e) : undefined;
  switch (macro?.kind) {
    case "loop": {
      collect(macro.over, own, names);
      const inner = new Set([...own, ...macro.names]);
      if (macro.filter) collect(macro.filter, inner, names);
      return collect(macro.body, inner, names);
    }
    case "bind":
      collect(macro.value, own, names);
      return collect(macro.body, new Set([...own, macro.name]), names);
    case "optional":
      collect(macro.of, own, names);
      return collect(macro.body, new Set([...own, macro.name]), names);
    default:
      for (const child of childrenOf(e)) collect(child, own, names);
  }
}

/** The value of a fact, as JSON would have it; a point in time in ISO 8601. */
export function factOf(given: Partial<CallFacts>, name: string): unknown {
  if (name === "time" && given.time !== undefined) return new Date(given.time).toISOString();
  if (name === "session.started" && given.session) return new Date(given.session.started).toISOString();
  if (name === "action") return given.flow?.action ?? "model";
  let value: unknown = given;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}
