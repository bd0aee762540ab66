import { stripTypeScriptTypes } from "node:module";
import { CallgateError, messageOf } from "@callgate/core";
import { type Expression, type Node, parse } from "acorn";
import { wrapScript } from "./request.ts";

/** One place where a script can call a tool. */
export interface PlannedCall {
  readonly server: string;
  readonly name: string;
  /** Arguments that are literal in the text, by name; what is computed is absent. */
  readonly literals: Readonly<Record<string, unknown>>;
  /** Line in the script, from 1. */
  readonly line: number;
}

export interface Plan {
  readonly calls: readonly PlannedCall[];
  /** True if every use of `tools` and `fetch` was understood. False means that `calls` is not the whole of it. */
  readonly complete: boolean;
}

const LARGEST = 256 * 1024;

/** TypeScript's types replaced by blanks. Throws `SANDBOX_SYNTAX` for what is no erasable TypeScript. */
export function stripTypes(code: string): string {
  try {
    return stripTypeScriptTypes(code);
  } catch (cause) {
    throw new CallgateError("SANDBOX_SYNTAX", `the code is no erasable TypeScript: ${messageOf(cause)}`, {
      cause,
      help: "leave out `enum`, `namespace` and parameter properties",
    });
  }
}

/** A script as JavaScript: JavaScript stays as it is, the types of TypeScript become blanks. Throws `SANDBOX_SYNTAX`. */
export function scriptOf(script: string): string {
  if (script.length > LARGEST)
    throw new CallgateError("SANDBOX_SYNTAX", `the script has more than ${LARGEST} characters`);
  if (parses(script)) return script;
  // `return` and `await` stand at the top of a script: they are read inside the function that runs it.
  const [before, after] = wrapScript("\0").split("\0") as [string, string];
  return stripTypes(`${before}${script}${after}`).slice(before.length, -after.length);
}

function parses(script: string): boolean {
  try {
    parse(wrapScript(script), { ecmaVersion: "latest" });
    return true;
  } catch {
    return false;
  }
}

const MOST_LITERALS = 10_000;

/** The texts and numbers that stand in a script. */
export function literalsIn(code: string): readonly string[] {
  const found = new Set<string>();
  const visit = (node: Node & Record<string, unknown>): void => {
    if (found.size >= MOST_LITERALS) return;
    if (node.type === "Literal" && (typeof node.value === "string" || typeof node.value === "number"))
      found.add(String(node.value));
    if (node.type === "TemplateElement") found.add(String((node.value as { cooked?: string }).cooked ?? ""));
    for (const value of Object.values(node))
      for (const inner of Array.isArray(value) ? value : [value])
        if (typeof inner === "object" && inner !== null && typeof inner.type === "string") visit(inner);
  };
  visit(parse(wrapScript(code), { ecmaVersion: "latest" }) as unknown as Node & Record<string, unknown>);
  found.delete("");
  return [...found];
}

/**
 * What a script (JavaScript) can reach, read from the text that is run. It is advice for a person who approves: a plan
 * that is `complete` still MUST be enforced call by call. Throws `SANDBOX_SYNTAX`.
 */
export function planOf(code: string): Plan {
  if (code.length > LARGEST)
    throw new CallgateError("SANDBOX_SYNTAX", `the script has more than ${LARGEST} characters`);
  const calls: PlannedCall[] = [];
  let complete = true;
  try {
    const tree = parse(wrapScript(code), { ecmaVersion: "latest", locations: true });
    const understood = new Set<unknown>();
    const visit = (node: Node & Record<string, unknown>): void => {
      if (node.type === "CallExpression") {
        const path = pathOf(node.callee as Expression);
        const root = path?.root as { name: string } | undefined;
        const [server, name] =
          root?.name === "fetch" && path?.names.length === 0 ? ["callgate", "fetch"] : (path?.names ?? []);
        if (root && server !== undefined && name !== undefined && path!.names.length <= 2) {
          understood.add(path!.root);
          const line = (node.loc?.start.line ?? 2) - 1;
          calls.push({ server, name, literals: literalsOf((node.arguments as Expression[])[0]), line });
        }
      }
      // Any other mention lets the value travel where this reading does not follow.
      if (
        node.type === "Identifier" &&
        ["tools", "fetch", "globalThis"].includes(String(node.name)) &&
        !understood.has(node)
      )
        complete = false;
      if (node.type === "ThisExpression") complete = false;
      for (const [key, value] of Object.entries(node)) {
        if ((key === "property" || key === "key") && node.computed !== true) continue;
        for (const inner of Array.isArray(value) ? value : [value])
          if (typeof inner === "object" && inner !== null && typeof inner.type === "string") visit(inner);
      }
    };
    visit(tree as unknown as Node & Record<string, unknown>);
  } catch (cause) {
    throw new CallgateError("SANDBOX_SYNTAX", `the script cannot be read: ${messageOf(cause)}`, { cause });
  }
  return { calls, complete };
}

function pathOf(callee: Expression): { root: unknown; names: string[] } | undefined {
  const names: string[] = [];
  let at: Expression = callee;
  while (at.type === "MemberExpression") {
    const { property, computed, object } = at;
    if (!computed && property.type === "Identifier") names.unshift(property.name);
    else if (property.type === "Literal" && typeof property.value === "string") names.unshift(property.value);
    else return undefined;
    if (object.type === "Super") return undefined;
    at = object;
  }
  if (at.type !== "Identifier" || (at.name !== "tools" && at.name !== "fetch")) return undefined;
  return { root: at, names };
}

function literalsOf(args: Expression | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  if (args?.type !== "ObjectExpression") {
    if (args?.type === "Literal") found["0"] = args.value;
    return found;
  }
  for (const p of args.properties)
    if (p.type === "Property" && !p.computed && p.value.type === "Literal") {
      const key = p.key.type === "Identifier" ? p.key.name : p.key.type === "Literal" ? String(p.key.value) : "";
      Object.defineProperty(found, key, { value: p.value.value, enumerable: true });
    }
  return found;
}
