import { isObject, parseJson } from "@callgate/core";
import { readBlock } from "./block.ts";
import { readLiteral } from "./literal.ts";

/** A scalar of a structured value, the name of a field, or a whole text. */
export interface Leaf {
  readonly text: string;
  /** The name of the nearest field it is in; absent for names, and for items of a bare list. Cut after 200 characters. */
  readonly field?: string;
  /** Dotted path, lists as `[]`: `[].sender`. `…` where it is too long to be a path that anybody names. */
  readonly path: string;
  /** Whether it is the name of a field. */
  readonly isName: boolean;
}

/** What reading a result gave: its scalars in order, and whether it had a structure that tells fields from one another. */
interface Reading {
  readonly leaves: Iterable<Leaf>;
  readonly structured: boolean;
}

const MAX_PATH = 1_024;
const MAX_FIELD = 200;

/**
 * The scalars of a result. Texts that are JSON, block YAML or a Python literal are read as what they are, since most tools
 * answer in text; a text that is none of these is one leaf. Nesting may be of any depth; a value that holds itself throws.
 */
export function leavesOf(value: unknown): Reading {
  if (typeof value !== "string") return { leaves: collect(value), structured: true };
  const parsed = readText(value);
  if (parsed === undefined || typeof parsed === "string") {
    const text = typeof parsed === "string" ? parsed : value;
    return { leaves: [{ text, path: "", isName: false }], structured: false };
  }
  return { leaves: collect(parsed), structured: true };
}

/** Reads a text that is a structured value in disguise; undefined if it is not one. */
function readText(text: string): unknown {
  const start = text.trimStart()[0];
  if (start === "{" || start === "[") {
    try {
      return parseJson(text);
    } catch {
      const literal = readLiteral(text);
      if (literal !== undefined) return literal;
    }
  }
  return readBlock(text);
}

/** A container that is being read. `keys` is absent for a list. */
interface Frame {
  readonly container: object;
  readonly keys: readonly string[] | undefined;
  readonly items: readonly unknown[];
  readonly path: string;
  readonly field: string | undefined;
  at: number;
}

function* collect(root: unknown): Generator<Leaf> {
  const open: Frame[] = [];
  // A value that holds itself has no end; JSON has none such.
  const within = new Set<object>();
  const enter = (value: object, path: string, field: string | undefined): void => {
    if (within.has(value)) throw new Error("a result that holds itself");
    within.add(value);
    const keys = Array.isArray(value) ? undefined : Object.keys(value);
    const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
    open.push({ container: value, keys, items, path, field, at: 0 });
  };
  const scalar = (value: unknown, path: string, field: string | undefined): Leaf | undefined => {
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") return undefined;
    const leaf = { text: String(value), path, isName: false };
    return field === undefined ? leaf : { ...leaf, field };
  };
  if (typeof root !== "object" || root === null) {
    const leaf = scalar(root, "", undefined);
    if (leaf) yield leaf;
    return;
  }
  enter(root, "", undefined);
  for (let frame = open.at(-1); frame; frame = open.at(-1)) {
    if (frame.at === frame.items.length) {
      within.delete(frame.container);
      open.pop();
      continue;
    }
    const item = frame.items[frame.at];
    const key = frame.keys?.[frame.at];
    frame.at += 1;
    let path = frame.path;
    let field = frame.field;
    if (key === undefined) path = joined(path, "[]");
    else {
      yield { text: key, path: joined(path, path === "" ? "{}" : ".{}"), isName: true };
      path = joined(path, path === "" ? key : `.${key}`);
      field = key.length > MAX_FIELD ? key.slice(0, MAX_FIELD) : key;
    }
    if (Array.isArray(item) || isObject(item)) enter(item, path, field);
    else {
      const leaf = scalar(item, path, field);
      if (leaf) yield leaf;
    }
  }
}

/** Bounded: deep nesting under long names MUST NOT make paths longer than the result is. */
function joined(path: string, more: string): string {
  return path === "…" || path.length + more.length > MAX_PATH ? "…" : path + more;
}
