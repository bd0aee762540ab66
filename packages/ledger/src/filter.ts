import { CallgateError, RECORD_KINDS } from "@callgate/core";
import type { LedgerFilter } from "./port.ts";

/** One SQL condition on `record`. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** A filter's field that several values satisfy. */
export interface Choice {
  /** What an index holds, to be compared with one value. */
  readonly expression: string;
  /** The values, where the filter gives them; otherwise all values of the column that `condition` accepts. */
  readonly values?: readonly string[];
  /** All of it at once, for where it is not worth taking the values one by one. */
  readonly condition: Condition;
}

/** A filter as the reader runs it. All conditions and all choices must hold. */
export interface Selection {
  readonly conditions: readonly Condition[];
  readonly choices: readonly Choice[];
  /** Unix milliseconds. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  readonly after: number;
  readonly order: "asc" | "desc";
  readonly limit: number;
}

const STATUSES = ["ok", "error", "cancelled", "timeout", "input_required", "unknown"];

/** What the indexes hold. Those of `verdict`, `kind` and `status` hold the rare values only. */
const EXPRESSIONS = {
  agent: "agent",
  session: "session",
  call: "call",
  tool: "tool",
  verdict: "nullif(verdict, 'allow')",
  kind: "nullif(nullif(kind, 'intent'), 'outcome')",
  status: "nullif(status, 'ok')",
} as const;

/** Checks a filter and turns it into SQL. Throws `LEDGER_FILTER_INVALID`. */
export function parseFilter(filter: LedgerFilter): Selection {
  const conditions: Condition[] = [];
  const choices: Choice[] = [];
  const driving = drivers(filter);
  const equal = (column: keyof typeof EXPRESSIONS, value: string) => {
    const expression = driving.includes(column) ? EXPRESSIONS[column] : `+${column}`;
    conditions.push({ sql: `${expression} = ?`, values: [value] });
  };
  const match = (column: "agent" | "tool", pattern: string) => {
    if (!/[*?]/.test(pattern)) return equal(column, pattern);
    // `[` is special to SQLite's GLOB, but not to ours.
    const condition = { sql: `+${column} GLOB ?`, values: [pattern.replaceAll("[", "[[]")] };
    if (driving.includes(column)) choices.push({ expression: column, condition });
    else conditions.push(condition);
  };

  if (filter.call !== undefined) equal("call", filter.call);
  if (filter.session !== undefined) equal("session", filter.session);
  if (filter.agent !== undefined) match("agent", filter.agent);
  if (filter.tool !== undefined) match("tool", filter.tool);
  if (filter.verdict !== undefined) equal("verdict", oneOf("verdict", filter.verdict, ["allow", "deny", "hold"]));
  if (filter.status !== undefined) equal("status", oneOf("status", filter.status, STATUSES));
  if (filter.kind !== undefined) {
    const kinds = [...new Set(filter.kind)].map((kind) => oneOf("kind", kind, RECORD_KINDS));
    const condition = { sql: `+kind IN (${kinds.map(() => "?").join(", ")})`, values: kinds };
    if (driving.includes("kind")) choices.push({ expression: EXPRESSIONS.kind, values: kinds, condition });
    else conditions.push(condition);
  }

  const order = oneOf("order", filter.order ?? "desc", ["asc", "desc"]) as "asc" | "desc";
  const since = filter.since === undefined ? undefined : time("since", filter.since);
  const until = filter.until === undefined ? undefined : time("until", filter.until);
  if (since !== undefined) conditions.push({ sql: "ts >= ?", values: [since] });
  if (until !== undefined) conditions.push({ sql: "ts <= ?", values: [until] });
  return {
    conditions,
    choices,
    since,
    until,
    after: whole("after", filter.after ?? 0, 0, Number.MAX_SAFE_INTEGER),
    order,
    limit: whole("limit", filter.limit ?? 50, 1, 10_000),
  };
}

/**
 * The columns whose index the query goes through: those that leave the fewest records, by what ledgers hold. SQLite would
 * have to guess. The others are written with a `+`, which keeps their indexes out.
 */
function drivers({ call, session, verdict, tool, kind, status, agent }: LedgerFilter): readonly string[] {
  if (call !== undefined) return ["call"];
  if (session !== undefined) return ["session"];
  if (verdict !== undefined && verdict !== "allow") return tool === undefined ? ["verdict"] : ["verdict", "tool"];
  if (kind !== undefined && !kind.includes("intent") && !kind.includes("outcome")) return ["kind"];
  if (status !== undefined && status !== "ok") return ["status"];
  if (agent !== undefined) return ["agent"];
  return tool === undefined ? [] : ["tool"];
}

function oneOf(field: string, value: string, known: readonly string[]): string {
  if (known.includes(value)) return value;
  throw invalid(`\`${value}\` is not a value of \`${field}\``, `use one of: ${known.join(", ")}`);
}

function time(field: string, text: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) {
    throw invalid(`\`${text}\` in \`${field}\` is not a time`, "write it as in 2026-03-01T12:00:00Z");
  }
  return at;
}

function whole(field: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw invalid(`\`${value}\` in \`${field}\` is out of range`, `use a whole number from ${least} to ${most}`);
}

function invalid(message: string, help: string): CallgateError {
  return new CallgateError("LEDGER_FILTER_INVALID", message, { help });
}
