import { compileGlobs, editDistance } from "@callgate/core";
import { FIELDS, GUESSES, REPEATED, VALUES } from "./fields.ts";
import {
  type Bound,
  literalGlob,
  type Match,
  NUMBER_FIELDS,
  plainGlob,
  type Range,
  type Term,
  TIME_FIELDS,
} from "./term.ts";
import { parseTime } from "./time.ts";
import { type Slip, type Token, tokensOf, type Word } from "./token.ts";

/** A query as the reader takes it: a part of `LedgerFilter`. */
export interface Query {
  readonly terms: readonly Term[];
  /** ISO 8601, inclusive. */
  readonly since?: string;
  readonly until?: string;
}

/** A query, or what its text has wrong. */
export type ParsedQuery = { readonly ok: true; readonly query: Query } | ({ readonly ok: false } & Slip);

/**
 * Reads a query: terms with spaces between, all of which must hold. `now` (Unix milliseconds) is what `2h` counts back
 * from. Never throws.
 */
export function parseQuery(text: string, now: number = Date.now()): ParsedQuery {
  const tokens = tokensOf(text);
  if (!Array.isArray(tokens)) return { ok: false, ...(tokens as Slip) };
  const terms: Term[] = [];
  const times: { since?: string; until?: string } = {};
  const seen = new Set<string>();
  for (const token of tokens as readonly Token[]) {
    const field = token.field ?? "text";
    if (!FIELDS.includes(field)) return { ok: false, ...unknownField(field, token) };
    if (!token.not && seen.has(field) && !REPEATED.has(field))
      return {
        ok: false,
        message: `\`${field}\` is given twice`,
        column: token.column,
        ...(!isTime(field) && { help: `for either of two values write \`${field}:one,other\`` }),
      };
    if (!token.not) seen.add(field);
    const empty = token.words.find((word) => word.pieces.length === 0);
    if (empty) return { ok: false, message: `\`${field}\` lacks a value`, column: empty.column };
    if (isTime(field)) {
      const at = timeOf(field, token, now);
      if (typeof at !== "string") return { ok: false, ...at };
      times[field] = at;
      continue;
    }
    const any = valuesOf(field, token);
    if (!Array.isArray(any)) return { ok: false, ...(any as Slip) };
    terms.push({ field, ...(token.not && { not: true }), any } as Term);
  }
  return { ok: true, query: { terms, ...times } };
}

function isTime(field: string): field is "since" | "until" {
  return (TIME_FIELDS as readonly string[]).includes(field);
}

function unknownField(field: string, token: Token): Slip {
  const near = nearest(field, FIELDS);
  const shown = token.words.map((w) => w.pieces.map((p) => p.text).join("")).join(",");
  const help =
    GUESSES[field] ??
    (near === undefined
      ? `the fields are ${FIELDS.join(", ")}; quotes search for a text: \`"${field}:${shown}"\``
      : `did you mean \`${near}\`?`);
  return { message: `there is no field \`${field}\``, column: token.column, help };
}

function timeOf(field: "since" | "until", { not, words, comparison, column }: Token, now: number): string | Slip {
  if (not) return { message: `\`${field}\` cannot be negated`, column, help: "use the other of `since` and `until`" };
  const [word, second] = words as readonly [Word, ...Word[]];
  if (second || comparison) return { message: `\`${field}\` takes one time`, column: word.column };
  const text = plain(word);
  const at = parseTime(text, now, field === "until");
  if (at !== undefined) return new Date(at).toISOString();
  return {
    message: `\`${text}\` in \`${field}\` is not a time`,
    column: word.column,
    help: "write `2h`, `7d`, `today`, `2026-03-01` or `2026-03-01T12:00:00Z`",
  };
}

function valuesOf(field: string, token: Token): readonly Match[] | readonly Range[] | Slip {
  const numeric = (NUMBER_FIELDS as readonly string[]).includes(field);
  if (token.comparison !== undefined && !numeric)
    return {
      message: `\`${token.comparison}\` does not apply to \`${field}\``,
      column: token.column,
      help: "`seq` and `ms` can be compared",
    };
  const all: (Match | Range)[] = [];
  for (const [i, word] of token.words.entries()) {
    const value = numeric ? rangeOf(field, word, i === 0 ? token.comparison : undefined) : matchOf(field, word);
    if ("message" in value) return value;
    all.push(...("several" in value ? value.several : [value]));
  }
  return all as Match[];
}

function rangeOf(field: string, word: Word, before: string | undefined): Range | Slip {
  const text = `${before ?? ""}${plain(word)}`;
  const NUMBER = /^\d{1,15}(?:\.\d{1,6})?$/;
  const number = (part: string): number | undefined =>
    NUMBER.test(part) && (field === "ms" || !part.includes(".")) ? Number(part) : undefined;
  const compared = /^(>=|<=|>|<)(.*)$/s.exec(text);
  if (compared) {
    const value = number(compared[2] as string);
    const operator = compared[1] as string;
    if (value !== undefined) {
      const bound: Bound = { value, ...(operator.length === 1 && { open: true }) };
      return operator.startsWith(">") ? { from: bound } : { to: bound };
    }
  } else if (text.includes("..")) {
    const [low = "", high = ""] = text.split("..", 2);
    const [from, to] = [number(low), number(high)];
    if ((from !== undefined || low === "") && (to !== undefined || high === "") && text !== "..")
      return { ...(from !== undefined && { from: { value: from } }), ...(to !== undefined && { to: { value: to } }) };
  } else {
    const value = number(text);
    if (value !== undefined) return { from: { value }, to: { value } };
  }
  return {
    message: `\`${text}\` in \`${field}\` is not ${field === "ms" ? "a number of milliseconds" : "a record's number"}`,
    column: word.column,
    help: `write \`${field}:100\`, \`${field}:>100\` or \`${field}:100..200\``,
  };
}

function matchOf(field: string, word: Word): Match | { readonly several: readonly Match[] } | Slip {
  if (field === "text") return textOf(word);
  const text = plain(word);
  const known = VALUES[field];
  const wild = word.pieces.some((piece) => !piece.quoted && /[*?]/.test(piece.text));
  const glob = word.pieces.map((p) => (p.quoted ? literalGlob(p.text) : plainGlob(p.text))).join("");
  if (!known) return wild ? { like: glob } : { is: text };
  const lower = text.toLowerCase();
  if (!wild && known.includes(lower)) return { is: lower };
  const matching = wild ? known.filter(compileGlobs([lower])) : [];
  if (matching.length > 0) return { several: matching.map((is) => ({ is })) };
  const near = nearest(lower, known);
  return {
    message: `\`${text}\` is not a value of \`${field}\``,
    column: word.column,
    help: near === undefined ? `use one of: ${known.join(", ")}` : `did you mean \`${near}\`?`,
  };
}

function textOf(word: Word): Match | Slip {
  const text = plain(word);
  if (!/[\p{L}\p{N}]/u.test(text))
    return {
      message: `\`${text}\` has no word to search for`,
      column: word.column,
      help: "a word has a letter or a digit",
    };
  const last = word.pieces.at(-1);
  const open = last !== undefined && !last.quoted && last.text.endsWith("*");
  const rest = open ? text.slice(0, -1) : text;
  if (
    word.pieces.some(
      (p, i) => !p.quoted && (i === word.pieces.length - 1 && open ? p.text.slice(0, -1) : p.text).includes("*"),
    )
  )
    return {
      message: `\`*\` in \`${text}\` does not stand at the end`,
      column: word.column,
      help: "words are found by their beginning: `transf*`",
    };
  return open ? { like: `${literalGlob(rest)}*` } : { is: rest };
}

function plain(word: Word): string {
  return word.pieces.map((piece) => piece.text).join("");
}

/** The known word that is most likely meant. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate, limit) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance);
  return best?.candidate ?? known.find((candidate) => word.length > 2 && candidate.startsWith(word.slice(0, 3)));
}
