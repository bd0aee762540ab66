/** One value that a term accepts. */
export type Match =
  | { readonly is: string }
  /**
   * As SQLite's GLOB has it: `*` any run, `?` one character; one that stands for itself is in brackets, as in `[*]`.
   */
  | { readonly like: string };

/** Numbers that a term accepts; a bound is inclusive unless `open`. */
export interface Range {
  readonly from?: Bound;
  readonly to?: Bound;
}

/** One end of a range. */
export interface Bound {
  readonly value: number;
  readonly open?: boolean;
}

/** One condition of a query: a field, and any of several values. */
export type Term =
  | { readonly field: TextField; readonly not?: boolean; readonly any: readonly Match[] }
  | { readonly field: NumberField; readonly not?: boolean; readonly any: readonly Range[] };

/** Fields of a record whose values are texts. `text` is the words of arguments, results and reasons. */
export const TEXT_FIELDS = [
  "agent",
  "user",
  "session",
  "call",
  "parent",
  "tool",
  "verdict",
  "status",
  "kind",
  "rule",
  "error",
  "boot",
  "trace",
  "text",
] as const;
export type TextField = (typeof TEXT_FIELDS)[number];

export const NUMBER_FIELDS = ["seq", "ms"] as const;
export type NumberField = (typeof NUMBER_FIELDS)[number];

export const TIME_FIELDS = ["since", "until"] as const;

/** Whether a term is about numbers. */
export function isNumeric(term: Term): term is Extract<Term, { field: NumberField }> {
  return (NUMBER_FIELDS as readonly string[]).includes(term.field);
}

/** A text as a pattern that nothing but it matches. */
export function literalGlob(text: string): string {
  return text.replaceAll(/[[*?]/g, (c) => `[${c}]`);
}

/** A pattern in which `*` and `?` alone are special. */
export function plainGlob(pattern: string): string {
  return pattern.replaceAll("[", "[[]");
}
