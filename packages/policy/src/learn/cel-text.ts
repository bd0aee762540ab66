import { INT_MAX, INT_MIN } from "../cel/value.ts";

/**
 * A string as a CEL literal of printable ASCII alone, whatever it holds: it can stand in a file, a terminal and a block of YAML without
 * ending there what it is part of. The string MUST be well-formed.
 */
export function celString(text: string): string {
  let literal = "";
  for (const character of text) {
    const code = character.codePointAt(0) as number;
    if (character === '"' || character === "\\") literal += `\\${character}`;
    else if (code >= 0x20 && code < 0x7f) literal += character;
    else if (code <= 0xffff) literal += `\\u${code.toString(16).padStart(4, "0")}`;
    else literal += `\\U${code.toString(16).padStart(8, "0")}`;
  }
  return `"${literal}"`;
}

/** A number as a CEL literal; undefined for one that has none. */
export function celNumber(value: number | bigint): string | undefined {
  if (typeof value === "bigint") return value >= INT_MIN && value <= INT_MAX ? String(value) : undefined;
  return Number.isFinite(value) ? String(value + 0) : undefined;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const WORDS = new Set(["true", "false", "null", "in"]);

/** How a rule reads a field of a value, and how it asks whether the field is there. */
export function celField(of: string, name: string): { readonly read: string; readonly asked: string } {
  if (NAME.test(name) && !WORDS.has(name)) return { read: `${of}.${name}`, asked: `has(${of}.${name})` };
  const quoted = celString(name);
  return { read: `${of}[${quoted}]`, asked: `${quoted} in ${of}` };
}

export function celList(texts: readonly string[]): string {
  return `[${texts.join(", ")}]`;
}
