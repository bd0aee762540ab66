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
 * A copy of a JSON value with every place that the path names replaced. What does not change is shared, not copied: the value itself
 * comes back if nothing does. A place that is not there is not made. Throws for a path that cannot be read: a redaction that does nothing MUST NOT pass for one.
 */
export function replaceAt(value: unknown, path: string, put: (old: unknown) => unknown): unknown {
  const segments = parsePath(path);
  if (!segments) throw new Error(`\`${path}\` is not a path that can be followed`);
  return replace(value, segments, 0, put);
}

/**
 * The same with one new value for every place. Where the path names one place in an object that is there, and the object has no such
 * member, it gets one: a path with `*` or `..` names what is there, and makes nothing.
 */
export function setAt(value: unknown, path: string, put: unknown): unknown {
  const replaced = replaceAt(value, path, () => put);
  const segments = parsePath(path) ?? [];
  const last = segments.at(-1);
  if (last?.kind !== "name" || segments.some(({ kind }) => kind === "each" || kind === "anywhere")) return replaced;
  return replace(replaced, segments.slice(0, -1), 0, (parent) =>
    isObject(parent) && !Object.hasOwn(parent, last.name)
      ? Object.fromEntries([...Object.entries(parent), [last.name, put]])
      : parent,
  );
}

function replace(value: unknown, segments: readonly Segment[], at: number, put: (old: unknown) => unknown): unknown {
  const segment = segments[at];
  if (segment === undefined) return put(value);
  const deeper = (inner: unknown): unknown => replace(inner, segments, at + 1, put);
  if (Array.isArray(value)) {
    if (segment.kind === "name") return value;
    let changed = false;
    const items = value.map((old: unknown, i) => {
      if (segment.kind === "index" && i !== segment.index) return old;
      const next = segment.kind === "anywhere" ? replace(old, segments, at, put) : deeper(old);
      changed ||= next !== old;
      return next;
    });
    return changed ? items : value;
  }
  if (!isObject(value) || segment.kind === "index") return value;
  let changed = false;
  const entries = Object.entries(value).map(([key, old]): [string, unknown] => {
    const here = segment.kind === "each" || segment.name === key;
    const below = segment.kind === "anywhere" ? replace(old, segments, at, put) : old;
    const next = here ? deeper(below) : below;
    changed ||= next !== old;
    return [key, next];
  });
  return changed ? Object.fromEntries(entries) : value;
}
