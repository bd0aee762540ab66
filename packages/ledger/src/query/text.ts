import type { Match, Term } from "./term.ts";

/** What a query asks of the words of records, in the language of SQLite's FTS5. */
export interface TextQuery {
  /** What must be there, for the index to look up; undefined if the query only says what must not. */
  readonly find: string | undefined;
  /** Expressions that must match, and those that must not. */
  readonly has: readonly string[];
  readonly lacks: readonly string[];
}

/** The text terms of a query; undefined if there are none. */
export function textQueryOf(terms: readonly Term[]): TextQuery | undefined {
  const texts = terms.filter((t): t is Extract<Term, { any: readonly Match[] }> => t.field === "text");
  if (texts.length === 0) return undefined;
  const expressions = (not: boolean): string[] =>
    texts.filter((t) => (t.not ?? false) === not).map((t) => `(${t.any.map(phrase).join(" OR ")})`);
  const has = expressions(false);
  return { find: has.length === 0 ? undefined : has.join(" AND "), has, lacks: expressions(true) };
}

/** A phrase: its words next to each other, in this order; the last one may be a beginning. */
function phrase(match: Match): string {
  const text = "is" in match ? match.is : match.like.slice(0, -1).replaceAll(/\[([[*?])\]/g, "$1");
  return `"${text.replaceAll('"', '""')}"${"like" in match ? " *" : ""}`;
}
