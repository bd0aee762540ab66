import { CallgateError, RECORD_KINDS } from "@callgate/core";
import type { LedgerFilter } from "./port.ts";
import { type Choice, type Column, type Condition, choiceOf, conditionOf, isColumn } from "./query/condition.ts";
import { VALUES } from "./query/fields.ts";
import { isNumeric, type Match, plainGlob, type Term } from "./query/term.ts";
import { type TextQuery, textQueryOf } from "./query/text.ts";

export type { Choice, Condition } from "./query/condition.ts";

/** A filter as the reader runs it. All conditions and all choices must hold. */
export interface Selection {
  readonly conditions: readonly Condition[];
  readonly choices: readonly Choice[];
  /** Words that must stand in the record or its payloads, or must not. */
  readonly text: TextQuery | undefined;
  /** What leads to the records: an index of this column; without one, every record is looked at. */
  readonly through: Column | undefined;
  /** Unix milliseconds. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** Seqs, exclusive. */
  readonly after: number;
  readonly before: number;
  readonly order: "asc" | "desc";
  readonly limit: number;
}

/** Checks a filter and turns it into SQL. Throws `LEDGER_FILTER_INVALID`. */
export function parseFilter(filter: LedgerFilter): Selection {
  const terms = [...termsOf(filter), ...(filter.terms ?? [])];
  const conditions: Condition[] = [];
  const choices: Choice[] = [];
  const driving = drivers(terms);
  for (const term of terms) {
    if (term.field === "text") continue;
    if (!isNumeric(term) && isColumn(term.field) && !term.not && driving.includes(term.field))
      choices.push(choiceOf(term.field, term.any));
    else conditions.push(conditionOf(term));
  }
  const order = oneOf("order", filter.order ?? "desc", ["asc", "desc"]) as "asc" | "desc";
  const since = filter.since === undefined ? undefined : time("since", filter.since);
  const until = filter.until === undefined ? undefined : time("until", filter.until);
  if (since !== undefined) conditions.push({ sql: "ts >= ?", values: [since] });
  if (until !== undefined) conditions.push({ sql: "ts <= ?", values: [until] });
  const { after, before } = seqBounds(terms);
  return {
    conditions,
    choices,
    text: textQueryOf(terms),
    through: driving[0],
    since,
    until,
    after: Math.max(after, whole("after", filter.after ?? 0, 0, Number.MAX_SAFE_INTEGER)),
    before: Math.min(before, whole("before", filter.before ?? Number.MAX_SAFE_INTEGER, 0, Number.MAX_SAFE_INTEGER)),
    order,
    limit: whole("limit", filter.limit ?? 50, 1, 10_000),
  };
}

/** The filter's own fields, as terms. */
function termsOf(filter: LedgerFilter): Term[] {
  const terms: Term[] = [];
  for (const field of ["call", "session", "verdict", "status"] as const) {
    const is = filter[field];
    if (is === undefined) continue;
    const known = VALUES[field];
    terms.push({ field, any: [{ is: known ? oneOf(field, is, known) : is }] });
  }
  for (const field of ["agent", "tool"] as const) {
    const pattern = filter[field];
    if (pattern !== undefined) terms.push({ field, any: [matchOf(pattern)] });
  }
  if (filter.kind !== undefined) {
    const kinds = [...new Set(filter.kind)].map((kind) => ({ is: oneOf("kind", kind, RECORD_KINDS) }));
    terms.push({ field: "kind", any: kinds });
  }
  return terms;
}

function matchOf(pattern: string): Match {
  return /[*?]/.test(pattern) ? { like: plainGlob(pattern) } : { is: pattern };
}

/**
 * The columns whose index the query goes through: those that leave the fewest records, by what ledgers hold. SQLite
 * would have to guess.
 */
function drivers(terms: readonly Term[]): readonly Column[] {
  const positive = (column: Column): readonly Match[] | undefined =>
    terms.find((t): t is Extract<Term, { any: readonly Match[] }> => t.field === column && !t.not && !isNumeric(t))
      ?.any;
  const only = (column: Column, but: readonly string[]): boolean =>
    positive(column)?.every((match) => "is" in match && !but.includes(match.is)) ?? false;
  const exact = (column: Column): boolean => only(column, []);
  if (exact("call")) return ["call"];
  if (exact("session")) return ["session"];
  if (only("verdict", ["allow"])) return positive("tool") === undefined ? ["verdict"] : ["verdict", "tool"];
  if (only("kind", ["intent", "outcome"])) return ["kind"];
  if (only("status", ["ok"])) return ["status"];
  if (positive("agent") !== undefined) return ["agent"];
  return positive("tool") === undefined ? [] : ["tool"];
}

/** The seqs between which all terms about them leave records, exclusive. The terms themselves say the rest. */
function seqBounds(terms: readonly Term[]): { readonly after: number; readonly before: number } {
  let [after, before] = [0, Number.MAX_SAFE_INTEGER];
  for (const term of terms) {
    if (!isNumeric(term) || term.field !== "seq" || term.not) continue;
    const lows = term.any.map(({ from }) => (from === undefined ? 0 : from.value - (from.open ? 0 : 1)));
    const highs = term.any.map(({ to }) => (to === undefined ? Number.MAX_SAFE_INTEGER : to.value + (to.open ? 0 : 1)));
    after = Math.max(after, Math.min(...lows));
    before = Math.min(before, Math.max(...highs));
  }
  return { after, before };
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
