import { hash } from "node:crypto";
import canonicalize from "canonicalize";
import { CallgateError } from "./error.ts";

/** A SHA-256 digest in lower-case hex, written `sha256:<64 hex digits>`. */
export type Digest = `sha256:${string}`;

/**
 * The RFC 8785 (JCS) text of a JSON value.
 * Throws `CANONICAL_INVALID` for what JSON cannot carry: NaN, infinities, lone surrogates, functions, undefined at the top.
 */
export function canonicalJson(value: unknown): string {
  try {
    const text = canonicalize(value);
    if (text === undefined) throw new TypeError("not a JSON value");
    return text;
  } catch (cause) {
    throw new CallgateError("CANONICAL_INVALID", `value has no canonical JSON form: ${(cause as Error).message}`, {
      help: "send only JSON values: finite numbers, well-formed strings, booleans, null, arrays and objects",
      cause,
    });
  }
}

/** The SHA-256 digest of a text (as UTF-8) or of bytes. */
export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${hash("sha256", content, "hex")}`;
}

/** The digest of a value's canonical JSON. */
export function digestOfJson(value: unknown): Digest {
  return digestOf(canonicalJson(value));
}
