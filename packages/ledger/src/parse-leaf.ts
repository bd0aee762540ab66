import { isObject, jsonDepth, type LedgerRecord, RECORD_KINDS } from "@callgate/core";

/** How deep a leaf may be: what is deeper cannot be printed again. No broker writes one that is. */
const DEPTH = 64;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const TEXTS = ["agent", "user", "session", "call", "parent", "trace", "args", "result", "status"];
const KINDS: ReadonlySet<unknown> = new Set(RECORD_KINDS);

/**
 * Reads the leaf of a record for whoever looks at it: undefined for one that no writer made, such as one that was edited. Whether it
 * is the one that was written MUST be asked of the verifier.
 */
export function parseLeaf(seq: number, text: unknown): LedgerRecord | undefined {
  if (typeof text !== "string") return undefined;
  let leaf: unknown;
  try {
    leaf = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isRecord(leaf, seq) ? leaf : undefined;
}

function isRecord(leaf: unknown, seq: number): leaf is LedgerRecord {
  if (!isObject(leaf) || leaf["v"] !== 2 || leaf["seq"] !== seq || !KINDS.has(leaf["kind"])) return false;
  const { log, prev, boot, ts, mono, tool, decision, error, ms, detail } = leaf;
  if (![log, prev, boot].every(isText) || typeof mono !== "number") return false;
  if (typeof ts !== "string" || !TIME.test(ts) || Number.isNaN(Date.parse(ts))) return false;
  if (!TEXTS.every((name) => isOptional(leaf[name], isText)) || !isOptional(ms, isNumber)) return false;
  return (
    isOptional(tool, (of) => isObject(of) && [of["server"], of["name"], of["digest"]].every(isText)) &&
    isOptional(decision, isDecision) &&
    isOptional(error, (of) => isObject(of) && isText(of["code"]) && isText(of["message"])) &&
    isOptional(detail, isObject) &&
    jsonDepth(leaf, DEPTH) <= DEPTH
  );
}

function isDecision(value: unknown): boolean {
  if (!isObject(value) || !isText(value["verdict"]) || !isText(value["policies"])) return false;
  const { rules, approver } = value;
  return Array.isArray(rules) && rules.every(isText) && isOptional(approver, isText);
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isNumber(value: unknown): boolean {
  return typeof value === "number";
}
