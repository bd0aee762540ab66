import { CallgateError, type JsonValue } from "@callgate/core";

/** A JSON value and where its text stands: `text.slice(start, end)`. */
export interface JsonNode {
  readonly value: JsonValue;
  readonly start: number;
  readonly end: number;
  /** An object's members; the last of those that share a name. */
  readonly members?: ReadonlyMap<string, JsonNode>;
}

/** A piece of a text and what is to stand in its place. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const SKIP = /(?:[\s\uFEFF]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)*/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\.[^"\\\u0000-\u001f]*)*"/y;
const SCALAR = /(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
const MAX_DEPTH = 64;

/**
 * Parses JSON with comments and trailing commas, as editors write it, and keeps where each value stands, so that one can be
 * changed and every other character stays. Throws `CLIENT_CONFIG_INVALID` with line and column.
 */
export function parseJsonc(file: string, text: string): JsonNode {
  let at = 0;
  const fail = (what: string): never => {
    const before = text.slice(0, at).split("\n");
    const message = `not valid JSON: ${what}`;
    throw new CallgateError("CLIENT_CONFIG_INVALID", `\`${file}\` cannot be read`, {
      diagnostics: [
        {
          message,
          span: { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 },
          help: "check the quotes, the commas and the brackets just before this place",
        },
      ],
    });
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  const next = (): string | undefined => {
    take(SKIP);
    return text[at];
  };
  const literal = (source: string): JsonValue => {
    try {
      return JSON.parse(source) as JsonValue;
    } catch {
      return fail(`\`${source.slice(0, 40)}\` is no value`);
    }
  };
  /** The items of a list or an object up to `close`. */
  const items = (close: string, item: () => void): void => {
    at++;
    for (;;) {
      if (next() === close) break;
      item();
      if (next() === ",") at++;
      else if (text[at] !== close) fail(`\`,\` or \`${close}\` is missing`);
    }
    at++;
  };
  const value = (depth: number): JsonNode => {
    if (depth > MAX_DEPTH) fail("it is nested too deeply");
    const first = next();
    const start = at;
    if (first === "{") {
      const members = new Map<string, JsonNode>();
      items("}", () => {
        const key = text[at] === '"' ? take(STRING) : undefined;
        if (key === undefined) fail("a name in double quotes is missing");
        if (next() !== ":") fail("`:` is missing");
        at++;
        members.set(literal(key as string) as string, value(depth + 1));
      });
      return { value: Object.fromEntries([...members].map(([k, n]) => [k, n.value])), start, end: at, members };
    }
    if (first === "[") {
      const list: JsonValue[] = [];
      items("]", () => void list.push(value(depth + 1).value));
      return { value: list, start, end: at };
    }
    const source = take(first === '"' ? STRING : SCALAR);
    if (source === undefined) fail(first === undefined ? "it ends too early" : `\`${first}\` is not expected here`);
    return { value: literal(source as string), start, end: at };
  };
  const root = value(0);
  if (next() !== undefined) fail(`\`${text[at]}\` is not expected here`);
  return root;
}

/** The text with the edits made. They MUST NOT overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((t, e) => t.slice(0, e.start) + e.text + t.slice(e.end), text);
}

/** The JSON of a value as it would stand at `offset` of a text: indented as the line that it begins on. */
export function jsonAt(text: string, offset: number, value: unknown): string {
  const line = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
  const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
  const unit = indent.startsWith("\t") ? "\t" : "  ";
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  return JSON.stringify(value, null, unit).replaceAll("\n", `${newline}${indent}`);
}
