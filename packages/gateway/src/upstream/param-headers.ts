import { isObject, type JsonObject } from "@callgate/core";
import { headerValue } from "./http.ts";

/** An argument that a stateless HTTP request repeats in a header (`x-mcp-header`, MCP 2026-07-28, SEP-2243). */
export interface HeaderDeclaration {
  readonly path: readonly string[];
  /** Lower-case, with the `mcp-param-` prefix. */
  readonly header: string;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The declarations of an input schema: properties reached through `properties` alone, of a primitive type. */
export function headerDeclarations(schema: JsonObject, path: readonly string[] = []): HeaderDeclaration[] {
  const found: HeaderDeclaration[] = [];
  if (!isObject(schema["properties"])) return found;
  for (const [key, child] of Object.entries(schema["properties"])) {
    if (!isObject(child)) continue;
    const at = [...path, key];
    const name = child["x-mcp-header"];
    if (typeof name === "string" && TOKEN.test(name))
      found.push({ path: at, header: `mcp-param-${name.toLowerCase()}` });
    found.push(...headerDeclarations(child as JsonObject, at));
  }
  return found;
}

/** The headers for a call's arguments. An absent, null or non-primitive value has none, nor has a whole number beyond 2^53. */
export function paramHeaders(declarations: readonly HeaderDeclaration[], args: unknown): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { path, header } of declarations) {
    const text = primitiveText(valueAt(args, path));
    if (text !== undefined) headers[header] = headerValue(text);
  }
  return headers;
}

/** Says which header disagrees with the body, or undefined. The body is what counts; the headers MUST repeat it. */
export function checkParamHeaders(
  declarations: readonly HeaderDeclaration[],
  args: unknown,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): string | undefined {
  for (const { path, header } of declarations) {
    const value = valueAt(args, path);
    const sent = headers[header];
    // A whole number beyond 2^53 needs no header; one that is there MUST say the same.
    const text = typeof value === "bigint" && sent !== undefined ? String(value) : primitiveText(value);
    if (text === undefined) continue;
    const where = `arguments.${path.join(".")}`;
    if (typeof sent !== "string") return `the body carries ${where} but the ${header} header is absent`;
    const decoded = decodeHeader(sent);
    const same =
      typeof value === "number" && decoded !== undefined && decoded.trim() !== ""
        ? Number(decoded) === value
        : decoded === text;
    if (!same) return `the ${header} header and ${where} in the body disagree`;
  }
  return undefined;
}

/** Undoes `headerValue`; undefined for a malformed Base64 sentinel. */
export function decodeHeader(sent: string): string | undefined {
  const value = sent.replace(/^[ \t]+|[ \t]+$/g, "");
  const sentinel = /^=\?base64\?(.*)\?=$/i.exec(value);
  if (!sentinel) return value;
  const encoded = sentinel[1] as string;
  if (encoded.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(encoded)) return undefined;
  return Buffer.from(encoded, "base64").toString("utf8");
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  let node = root;
  for (const key of path) {
    if (!isObject(node) || !Object.hasOwn(node, key)) return undefined;
    node = node[key];
  }
  return node;
}

function primitiveText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number")
    return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
      ? undefined
      : String(value);
  return undefined;
}
