import { isNumeric, type Match, type Range, type Term, type TextField } from "./term.ts";

/** One SQL condition on `record`. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** A field that several values satisfy, to be found through its index value by value. */
export interface Choice {
  /** What an index holds, to be compared with one value. */
  readonly expression: string;
  /** The values that it may have. */
  readonly exact: readonly string[];
  /** And the patterns (SQLite's GLOB) that others may match. */
  readonly patterns: readonly string[];
  /** All of it at once, for where it is not worth taking the values one by one. */
  readonly condition: Condition;
}

/** What the indexes hold. Those of `verdict`, `kind` and `status` hold the rare values only. */
export const EXPRESSIONS = {
  agent: "agent",
  session: "session",
  call: "call",
  tool: "tool",
  verdict: "nullif(verdict, 'allow')",
  kind: "nullif(nullif(kind, 'intent'), 'outcome')",
  status: "nullif(status, 'ok')",
} as const;

/** A field that has a column of its own, and an index. */
export type Column = keyof typeof EXPRESSIONS;

export function isColumn(field: string): field is Column {
  return Object.hasOwn(EXPRESSIONS, field);
}

/** Where the other fields stand in the leaf. */
const PATHS: { readonly [field in Exclude<TextField, Column | "rule" | "text">]: string } = {
  user: "$.user",
  parent: "$.parent",
  error: "$.error.code",
  boot: "$.boot",
  trace: "$.trace",
};

/** A term as a choice among an index's values. */
export function choiceOf(column: Column, any: readonly Match[]): Choice {
  return {
    expression: EXPRESSIONS[column],
    exact: [...new Set(any.flatMap((match) => ("is" in match ? [match.is] : [])))],
    patterns: any.flatMap((match) => ("like" in match ? [match.like] : [])),
    condition: matching(`+${column}`, any),
  };
}

/** A term (but of text) as a condition that no index is used for. */
export function conditionOf(term: Term): Condition {
  if (isNumeric(term)) {
    const value = term.field === "seq" ? "+seq" : inLeaf("$.ms");
    return negated(term, numbers(value, term.any));
  }
  const { field, any } = term;
  if (field === "rule") {
    const rule = matching("value", any);
    const sql = `EXISTS (SELECT 1 FROM json_each(iif(json_valid(leaf), leaf, '{}'), '$.decision.rules') WHERE ${rule.sql})`;
    return negated(term, { sql, values: rule.values });
  }
  const value = isColumn(field) ? `+${field}` : inLeaf(PATHS[field as keyof typeof PATHS]);
  return negated(term, matching(value, any));
}

/** A member of the leaf; none of a leaf that somebody edited so that it is no JSON, which would end the whole query. */
function inLeaf(path: string): string {
  return `iif(json_valid(leaf), leaf ->> '${path}', NULL)`;
}

/** What is absent has no value: a negation holds for it. */
function negated({ not }: Term, { sql, values }: Condition): Condition {
  return not ? { sql: `NOT coalesce(${sql}, 0)`, values } : { sql, values };
}

function matching(value: string, any: readonly Match[]): Condition {
  const exact = any.flatMap((match) => ("is" in match ? [match.is] : []));
  const patterns = any.flatMap((match) => ("like" in match ? [match.like] : []));
  const parts = [
    ...(exact.length === 1 ? [`${value} = ?`] : []),
    ...(exact.length > 1 ? [`${value} IN (${exact.map(() => "?").join(", ")})`] : []),
    ...patterns.map(() => `${value} GLOB ?`),
  ];
  return { sql: parts.length === 0 ? "0" : `(${parts.join(" OR ")})`, values: [...exact, ...patterns] };
}

function numbers(value: string, any: readonly Range[]): Condition {
  const values: number[] = [];
  const parts = any.map(({ from, to }) => {
    const bounds: string[] = [];
    if (from) bounds.push(`${value} ${from.open ? ">" : ">="} ?`);
    if (to) bounds.push(`${value} ${to.open ? "<" : "<="} ?`);
    values.push(...[from, to].flatMap((bound) => (bound ? [bound.value] : [])));
    return `(${bounds.join(" AND ")})`;
  });
  return { sql: `(${parts.join(" OR ")})`, values };
}
