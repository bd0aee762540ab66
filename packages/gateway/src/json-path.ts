import { isObject } from "@callgate/core";

type Segment =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "each" }
  | { readonly kind: "anywhere"; readonly name: string };

const TOKEN = /\.\.([A-Za-z_][\w-]*)|\.\*|\[\*\]|\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^'\\]+)'\]|\["([^"\\]+)"\]/y;

/** Splits a JSONPath (RFC 9535) of the kind that names places: `$`, `.name`, `['name']`, `[0]`, `[*]`, `.*`, `..name`. */
function parsePath(path: string): readonly Segment[] | undefined {
  if (!path.startsWith("$")) return undefined;
  const segments: Segment[] = [];
  TOKEN.lastIndex = 1;
  while (TOKEN.lastIndex < path.length) {
    const match = TOKEN.exec(path);
    if (!match) return undefined;
    const name = match[2] ?? match[4] ?? match[5];
    if (match[1] !== undefined) segments.push({ kind: "anywhere", name: match[1] });
    else if (name !== undefined) segments.push({ kind: "name", name });
    else if (match[3] !== undefined) segments.push({ kind: "index", index: Number(match[3]) });
    else segments.push({ kind: "each" });
  }
  return segments;
}

/**
 * A copy of a JSON value with every place that the path names replaced. What the path does not touch is shared, not copied. A place
 * that is not there is not made. Throws for a path that cannot be read: a redaction that does nothing MUST NOT pass for one.
 */
export function replaceAt(value: unknown, path: string, put: (old: unknown) => unknown): unknown {
  const segments = parsePath(path);
  if (!segments) throw new Error(`\`${path}\` is not a path that can be followed`);
  return replace(value, segments, 0, put);
}

function replace(value: unknown, segments: readonly Segment[], at: number, put: (old: unknown) => unknown): unknown {
  const segment = segments[at];
  if (segment === undefined) return put(value);
  const deeper = (inner: unknown): unknown => replace(inner, segments, at + 1, put);
  if (Array.isArray(value)) {
    if (segment.kind === "each") return value.map(deeper);
    if (segment.kind === "index") return value.map((v: unknown, i) => (i === segment.index ? deeper(v) : v));
    if (segment.kind === "anywhere") return value.map((v: unknown) => replace(v, segments, at, put));
    return value;
  }
  if (!isObject(value)) return value;
  const entries = Object.entries(value).map(([key, inner]): [string, unknown] => {
    if (segment.kind === "each") return [key, deeper(inner)];
    if (segment.kind === "name") return [key, key === segment.name ? deeper(inner) : inner];
    if (segment.kind === "anywhere") {
      const below = replace(inner, segments, at, put);
      return [key, key === segment.name ? deeper(below) : below];
    }
    return [key, inner];
  });
  return Object.fromEntries(entries);
}
