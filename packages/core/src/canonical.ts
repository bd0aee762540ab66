import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { CallgateError } from "./error.ts";
import { isObject } from "./json.ts";

/** A SHA-256 digest in lower-case hex, written `sha256:<64 hex digits>`. */
export type Digest = `sha256:${string}`;

/**
 * The RFC 8785 (JCS) text of a JSON value. A BigInt is written as its digits, which RFC 8785 has no form for: it ends at doubles.
 * Throws `CANONICAL_INVALID` for what JSON cannot carry: NaN, infinities, lone surrogates, functions, undefined at the top.
 */
export function canonicalJson(value: unknown): string {
  try {
    const text = serialised(value);
    if (text === undefined) throw new TypeError("not a JSON value");
    return text;
  } catch (cause) {
    throw new CallgateError("CANONICAL_INVALID", `value has no canonical JSON form: ${(cause as Error).message}`, {
      help: "send only JSON values: finite numbers, well-formed strings, booleans, null, arrays and objects",
      cause,
    });
  }
}

function serialised(value: unknown): string | undefined {
  try {
    return canonicalize(value);
  } catch (error) {
    // The package knows no BigInt: without one, the common case, nothing is looked at twice.
    if (error instanceof TypeError) return withDigits(value);
    throw error;
  }
}

/** The same text with BigInts as digits: this walks the containers and leaves all else to the package. */
function withDigits(value: unknown): string | undefined {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map((inner) => withDigits(inner) ?? "null").join(",")}]`;
  if (!isObject(value) || typeof value["toJSON"] === "function") return canonicalize(value);
  const members = Object.keys(value)
    .sort()
    .flatMap((key) => {
      const text = withDigits(value[key]);
      return text === undefined ? [] : [`${canonicalize(key)}:${text}`];
    });
  return `{${members.join(",")}}`;
}

/** The SHA-256 digest of a text (as UTF-8) or of bytes. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", content, "hex")}`;
}

/** The digest of a value's canonical JSON. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}
