/** A string or number inside a JSON value, with the way to it (`to[0].address`). */
export interface Scalar {
  readonly path: string;
  readonly text: string;
}

const MAX_SCALARS = 10_000;
/** How deep JSON inside a text inside JSON is looked into: a tool's result is often a list of texts that are JSON. */
const MAX_NESTED = 2;
/** Of one text, so much is searched, in UTF-16 units. */
export const MAX_SEARCHED = 65_536;

/** The strings and numbers of a value, at most 10,000, in their order. */
export function scalarsOf(value: unknown): Scalar[] {
  const found: Scalar[] = [];
  collect(value, "", found);
  return found;
}

/** All texts of a payload (a JSON text), those of JSON inside its texts too. What is no JSON is one text. */
export function textsOf(payload: string): string[] {
  const found: string[] = [];
  unfold(payload, MAX_NESTED + 1, found);
  return found;
}

/** Whether a text holds a value as a whole: `bob@corp.example` is not in `bob@corp.example.net`. Both MUST be lower case. */
export function mentions(text: string, value: string): boolean {
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1)) {
    const [before, after] = [text.slice(Math.max(0, at - 1), at), text.slice(at + value.length, at + value.length + 2)];
    if (!/[\p{L}\p{N}_%+@-]/u.test(before) && !/^(?:[\p{L}\p{N}_%+@-]|\.[\p{L}\p{N}])/u.test(after)) return true;
  }
  return false;
}

function collect(value: unknown, path: string, found: Scalar[]): void {
  if (found.length >= MAX_SCALARS) return;
  if (typeof value === "string" || typeof value === "number") found.push({ path, text: String(value) });
  else if (Array.isArray(value)) for (const [i, inner] of value.entries()) collect(inner, `${path}[${i}]`, found);
  else if (typeof value === "object" && value !== null)
    for (const [key, inner] of Object.entries(value)) collect(inner, path === "" ? key : `${path}.${key}`, found);
}

function unfold(text: string, depth: number, found: string[]): void {
  const start = text.trimStart()[0];
  if (depth > 0 && (start === "{" || start === "[" || depth > MAX_NESTED)) {
    try {
      for (const inner of scalarsOf(JSON.parse(text))) unfold(inner.text, depth - 1, found);
      return;
    } catch {
      // Not JSON after all.
    }
  }
  found.push(text.slice(0, MAX_SEARCHED));
}
