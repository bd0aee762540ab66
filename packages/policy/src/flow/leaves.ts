import { isObject, parseJson, stringifyJson } from "@callgate/core";
import { readBlock } from "./block.ts";
import { readLiteral } from "./literal.ts";

/** A scalar of a structured value, or a whole text. */
export interface Leaf {
  readonly text: string;
  /** The name of the nearest field it is in; absent for keys, and for items of a bare list. */
  readonly field?: string;
  /** Dotted path, lists as `[]`: `[].sender`. */
  readonly path: string;
}

/** What reading a result gave: its scalars, and whether it had a structure that tells fields from one another. */
interface Reading {
  readonly leaves: readonly Leaf[];
  readonly structured: boolean;
}

const MAX_LEAVES = 50_000;
const MAX_DEPTH = 64;

/**
 * The scalars of a result. Texts that are JSON, block YAML or a Python literal are read as what they are, since most tools
 * answer in text; a text that is none of these is one leaf.
 */
export function leavesOf(value: unknown): Reading {
  const leaves: Leaf[] = [];
  if (typeof value !== "string") {
    collect(value, "", undefined, leaves, 0);
    return { leaves, structured: true };
  }
  const parsed = readText(value);
  if (parsed === undefined || typeof parsed === "string") {
    return { leaves: [{ text: typeof parsed === "string" ? parsed : value, path: "" }], structured: false };
  }
  collect(parsed, "", undefined, leaves, 0);
  return { leaves, structured: true };
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

function collect(value: unknown, path: string, field: string | undefined, into: Leaf[], depth: number): void {
  if (into.length >= MAX_LEAVES) return;
  if (Array.isArray(value)) {
    if (depth > MAX_DEPTH) into.push({ text: stringifyJson(value), path });
    else for (const item of value) collect(item, `${path}[]`, field, into, depth + 1);
  } else if (isObject(value)) {
    if (depth > MAX_DEPTH) {
      into.push({ text: stringifyJson(value), path });
      return;
    }
    for (const [key, inner] of Object.entries(value)) {
      into.push({ text: key, path: path === "" ? "{}" : `${path}.{}` });
      collect(inner, path === "" ? key : `${path}.${key}`, key, into, depth + 1);
    }
  } else if (typeof value === "string" || typeof value === "number" || typeof value === "bigint") {
    into.push(field === undefined ? { text: String(value), path } : { text: String(value), path, field });
  }
}
