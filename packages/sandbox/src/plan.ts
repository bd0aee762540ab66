import { stripTypeScriptTypes } from "node:module";
import { CallgateError, messageOf } from "@callgate/core";
import { type Expression, type Node, type Program, parse, type SpreadElement } from "acorn";
import { constantOf, keyOf } from "./constant.ts";
import { isDeeper } from "./nesting.ts";
import { wrapScript } from "./request.ts";

/** What the text of a call says of its arguments. Whatever it gives has no other members, unless it is `open`. */
export interface PlannedArguments {
  /** Arguments whose values stand in the text, by name: JSON values, BigInts allowed. The call has all of them. */
  readonly literals: Readonly<Record<string, unknown>>;
  /** Names of arguments that are computed. The call may have them. */
  readonly computed: readonly string[];
  /** Whether there may be any others: spread, names that are computed, or arguments that are no object in the text. */
  readonly open: boolean;
}

/** One place where a script can call a tool. */
export interface PlannedCall extends PlannedArguments {
  /** As it stands in the text, which may be no tool's name at all. */
  readonly server: string;
  readonly name: string;
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

/** Brackets that may stand in one another. Node's parser of types breaks at two thousand. */
const DEEPEST = 200;

/** A script that was read: JavaScript, and what it is made of. */
interface Read {
  readonly code: string;
  readonly tree: Program;
}

/**
 * A script as JavaScript, with lines and columns as written: JavaScript stays as it is, the types of TypeScript become blanks. Throws
 * `SANDBOX_SYNTAX`.
 */
export function readScript(script: string): Read {
  if (script.length > LARGEST)
    throw new CallgateError("SANDBOX_SYNTAX", `the script has more than ${LARGEST} characters`);
  if (isDeeper(script, DEEPEST))
    throw new CallgateError("SANDBOX_SYNTAX", `it is nested deeper than ${DEEPEST} brackets`);
  try {
    return { code: script, tree: parsed(script) };
  } catch (error) {
    // What is too much for the one parser is too much for the other, which would not survive it.
    if (!(error instanceof SyntaxError)) throw new CallgateError("SANDBOX_SYNTAX", TOO_DEEP, { cause: error });
  }
  // `return` and `await` stand at the top of a script: they are read inside the function that runs it.
  const [before, after] = wrapScript("\0").split("\0") as [string, string];
  const code = stripTypes(`${before}${script}${after}`).slice(before.length, -after.length);
  return { code, tree: treeOf(code) };
}

/** Said of a script that is too much for a parser. */
export const TOO_DEEP = "it is nested too deep";

function parsed(code: string): Program {
  const tree = parse(wrapScript(code), { ecmaVersion: "latest", locations: true });
  const [only, ...others] = tree.body;
  // What closes the function around it would run before and beside it.
  if (others.length > 0 || only?.type !== "ExpressionStatement" || only.expression.type !== "ArrowFunctionExpression")
    throw new SyntaxError("a bracket is closed that was not opened");
  return tree;
}

function treeOf(code: string): Program {
  try {
    return parsed(code);
  } catch (cause) {
    const said = cause instanceof SyntaxError ? messageOf(cause) : TOO_DEEP;
    throw new CallgateError("SANDBOX_SYNTAX", `the script cannot be read: ${said}`, { cause });
  }
}

type AnyNode = Node & Readonly<Record<string, unknown>>;

/** Calls `visit` with every node of a tree, in the text's order. `named`: it stands after a dot or before a colon, and names a member. */
function walk(root: Node, visit: (node: AnyNode, named: boolean) => void): void {
  const left = [{ node: root as AnyNode, named: false }];
  for (let next = left.pop(); next; next = left.pop()) {
    const { node } = next;
    visit(node, next.named);
    for (const [key, value] of Object.entries(node).reverse()) {
      const named = (key === "property" || key === "key") && node.computed !== true;
      for (const inner of Array.isArray(value) ? value.toReversed() : [value])
        if (typeof inner === "object" && inner !== null && typeof inner.type === "string")
          left.push({ node: inner as AnyNode, named });
    }
  }
}

const MOST_LITERALS = 10_000;

/** The texts and numbers that stand in a script. */
export function literalsIn(tree: Program): readonly string[] {
  const found = new Set<string>();
  const add = (text: string): void => {
    if (text !== "" && found.size < MOST_LITERALS) found.add(text);
  };
  walk(tree, (node) => {
    if (node.type === "Literal" && (typeof node.value === "string" || typeof node.value === "number"))
      add(String(node.value));
    if (node.type === "TemplateElement") add((node.value as { cooked?: string }).cooked ?? "");
  });
  return [...found];
}

/** What a script (JavaScript) can reach; see `planIn`. Throws `SANDBOX_SYNTAX`. */
export function planOf(code: string): Plan {
  if (code.length > LARGEST)
    throw new CallgateError("SANDBOX_SYNTAX", `the script has more than ${LARGEST} characters`);
  return planIn(treeOf(code));
}

/**
 * What a script can reach, read from the text that is run. It is advice for a person who approves: a plan that is `complete` still MUST be
 * enforced call by call.
 */
export function planIn(tree: Program): Plan {
  const calls: PlannedCall[] = [];
  let complete = true;
  const understood = new Set<unknown>();
  walk(tree, (node, named) => {
    if (node.type === "CallExpression") {
      const path = pathOf(node.callee as Expression);
      const root = path?.root as { name: string } | undefined;
      const [server, name] =
        root?.name === "fetch" && path?.names.length === 0 ? ["callgate", "fetch"] : (path?.names ?? []);
      if (root && server !== undefined && name !== undefined && path!.names.length <= 2) {
        understood.add(path!.root);
        const line = (node.loc?.start.line ?? 2) - 1;
        calls.push({ server, name, ...argumentsOf((node.arguments as Expression[])[0]), line });
      }
    }
    // Any other mention lets the value travel where this reading does not follow.
    if (node.type === "Identifier" && !named && REACHING.has(String(node.name)) && !understood.has(node))
      complete = false;
    if (node.type === "ThisExpression") complete = false;
  });
  return { calls, complete };
}

/** Names by which a script reaches out of itself. */
const REACHING = new Set(["tools", "fetch", "globalThis"]);

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

const NONE: PlannedArguments = { literals: {}, computed: [], open: false };

function argumentsOf(args: Expression | SpreadElement | undefined): PlannedArguments {
  if (args === undefined) return NONE;
  if (args.type !== "ObjectExpression") return { ...NONE, open: true };
  const found = new Map<string, { readonly value: unknown } | undefined>();
  let open = false;
  for (const p of args.properties) {
    const key = p.type === "Property" ? keyOf(p) : undefined;
    const constant = p.type === "Property" ? constantOf(p.value) : undefined;
    if (key !== undefined) {
      // The last of one name counts.
      found.set(key, constant);
      continue;
    }
    // What is added here may have any name, also one that stands before it.
    open = true;
    for (const name of found.keys()) found.set(name, undefined);
  }
  const all = [...found];
  return {
    literals: Object.fromEntries(all.flatMap(([name, constant]) => (constant ? [[name, constant.value]] : []))),
    computed: all.flatMap(([name, constant]) => (constant ? [] : [name])),
    open,
  };
}
