import { canonicalJson, isObject, type Obligation, parseJson, stringifyJson } from "@callgate/core";
import { type Effort, newEffort, redactMatches } from "@callgate/policy";
import { replaceAt } from "./json-path.ts";
import type { WireError } from "./upstream/message.ts";

type Redaction = Extract<Obligation, { kind: "redact" }>;

/** What stands where something was taken out. */
export const REDACTED = "[redacted]";
/** More copies than this are not looked for: the result is withheld. */
const MAX_CHANGED = 10_000;

/** The value with what one obligation names taken out; the same value if it is not there. Throws a RangeError for too much effort. */
export function redacted(
  value: unknown,
  { path, pattern }: Pick<Redaction, "path" | "pattern">,
  effort: Effort,
): unknown {
  return replaceAt(value, path, (old) => (pattern === undefined ? REDACTED : withoutMatches(old, pattern, effort)));
}

/** Takes matches out of a text, or of every text in a value. A number that a pattern matches goes as a whole. */
function withoutMatches(value: unknown, pattern: string, effort: Effort): unknown {
  if (typeof value === "string") return redactMatches(value, pattern, REDACTED, effort);
  if (typeof value === "number" || typeof value === "bigint")
    return redactMatches(String(value), pattern, REDACTED, effort) === String(value) ? value : REDACTED;
  if (Array.isArray(value)) return redacted(value, { path: "$[*]", pattern }, effort);
  return isObject(value) ? redacted(value, { path: "$.*", pattern }, effort) : value;
}

/**
 * A result as the obligations let the agent see it; the same object if they change nothing, and undefined if it could not be looked
 * through. Servers repeat structured content as JSON in text blocks (MCP 2025-06-18 and later), some part by part: what was taken out of
 * the one MUST NOT be left in the other.
 */
export function redactResult(
  result: Record<string, unknown>,
  obligations: readonly Obligation[],
): Record<string, unknown> | undefined {
  const redactions = obligations.filter((o): o is Redaction => o.kind === "redact" && o.target === "result");
  if (redactions.length === 0) return result;
  const effort = newEffort();
  const apply = (to: unknown): Record<string, unknown> =>
    redactions.reduce((value, redaction) => redacted(value, redaction, effort), to) as Record<string, unknown>;
  try {
    const seen = apply(result);
    const [before, after] = [result["structuredContent"], seen["structuredContent"]];
    if (before === after || !Array.isArray(result["content"])) return seen;
    const copies = new Copies(before, after);
    const content = result["content"].map((block: unknown) => copies.replacedIn(block));
    // Once more from the start, so that a block that came in for a copy meets the redactions of blocks too.
    return apply({ ...result, content });
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * A JSON-RPC error as the obligations let the agent see it: its message is what a result says in a text block, its data what a result has
 * as structured content, and patterns are looked for in both, wherever their paths point. Undefined as above.
 */
export function redactError(error: WireError, obligations: readonly Obligation[]): WireError | undefined {
  if (!obligations.some((o) => o.kind === "redact" && o.target === "result")) return error;
  const { code, message, data } = error;
  const result = { content: [{ type: "text", text: message }], ...(data !== undefined && { structuredContent: data }) };
  const seen = redactResult(result, obligations);
  const content = seen?.["content"];
  const block: unknown = Array.isArray(content) ? content[0] : content;
  const said = redactTexts(
    {
      message: isObject(block) ? block["text"] : block,
      ...(data !== undefined && { data: seen?.["structuredContent"] }),
    },
    obligations,
  );
  return seen && said && { ...said, code, message: String(said["message"]) };
}

/**
 * Params of a message, with what the patterns of the obligations match taken out of every text in them, wherever their paths point: those
 * name places in results. Undefined if they could not be looked through.
 */
export function redactTexts(
  params: Readonly<Record<string, unknown>>,
  obligations: readonly Obligation[],
): Readonly<Record<string, unknown>> | undefined {
  const patterns = obligations.flatMap((o) =>
    o.kind === "redact" && o.target === "result" && o.pattern !== undefined ? [{ path: "$", pattern: o.pattern }] : [],
  );
  if (patterns.length === 0) return params;
  const effort = newEffort();
  try {
    return Object.fromEntries(
      Object.entries(params).map(([key, value]) => [
        key,
        // The numbers of a message belong to the protocol: how far a call is, and of how much.
        typeof value === "number" ? value : patterns.reduce((v: unknown, one) => redacted(v, one, effort), value),
      ]),
    );
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Every part of a value that a redaction changed, with what it became. */
class Copies {
  readonly #byJson = new Map<string, unknown>();
  readonly #byText = new Map<string, unknown>();

  constructor(before: unknown, after: unknown) {
    this.#add(before, after);
  }

  /** A content block whose text is a copy of a changed part says what that became. */
  replacedIn(block: unknown): unknown {
    if (!isObject(block)) return block;
    if (isObject(block["resource"])) return { ...block, resource: this.replacedIn(block["resource"]) };
    const { text } = block;
    if (typeof text !== "string") return block;
    if (this.#byText.has(text)) return { ...block, text: this.#byText.get(text) };
    const key = jsonKey(text);
    return key !== undefined && this.#byJson.has(key)
      ? { ...block, text: stringifyJson(this.#byJson.get(key)) }
      : block;
  }

  #add(before: unknown, after: unknown): void {
    if (before === after) return;
    if (this.#byJson.size >= MAX_CHANGED) throw new RangeError("too many places were redacted");
    this.#byJson.set(canonicalJson(before), after);
    if (typeof before === "string") this.#byText.set(before, after);
    if (typeof before !== "object" || before === null || typeof after !== "object" || after === null) return;
    for (const [key, inner] of Object.entries(before)) this.#add(inner, (after as Record<string, unknown>)[key]);
  }
}

function jsonKey(text: string): string | undefined {
  try {
    return canonicalJson(parseJson(text));
  } catch {
    return undefined;
  }
}
