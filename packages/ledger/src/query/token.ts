/** A part of a value: quoted, it stands for itself; bare, `*` and `?` in it do not. */
export interface Piece {
  readonly text: string;
  readonly quoted: boolean;
}

/** One value, with the column (from 1) at which it starts. */
export interface Word {
  readonly pieces: readonly Piece[];
  readonly column: number;
}

/** A term as it was typed. Without `field` it is a bare word. */
export interface Token {
  readonly not: boolean;
  readonly field?: string;
  /** `>`, `>=`, `<` or `<=` after the field. */
  readonly comparison?: string;
  readonly words: readonly Word[];
  readonly column: number;
}

/** What a query's text has wrong, and where. */
export interface Slip {
  readonly message: string;
  /** From 1. */
  readonly column: number;
  readonly help?: string;
}

const FIELD = /([a-z]+)(?:[:=](>=|<=|>|<)?|(>=|<=|>|<))/iy;

/** Cuts a query into its terms, or says where that is not possible. */
export function tokensOf(text: string): readonly Token[] | Slip {
  const tokens: Token[] = [];
  let at = 0;
  let negated: number | undefined;
  for (;;) {
    while (/\s/.test(text[at] ?? "")) at++;
    const start = at;
    if (at >= text.length) break;
    let not = negated !== undefined;
    while (text[at] === "-" || text[at] === "!") {
      not = !not;
      at++;
    }
    FIELD.lastIndex = at;
    const match = FIELD.exec(text);
    if (match) at += match[0].length;
    const field = match?.[1];
    const comparison = match?.[2] ?? match?.[3];
    const words = wordsOf(text, at, field !== undefined);
    if ("message" in words) return words;
    const [first] = words.words;
    if (field === undefined && at === start && first?.pieces.length === 1 && !first.pieces[0]?.quoted) {
      const bare = first.pieces[0]?.text;
      if (bare === "OR" || /^[()]/.test(bare ?? ""))
        return {
          message: `\`${bare === "OR" ? "OR" : bare?.[0]}\` has no meaning here`,
          column: start + 1,
          help: "several values of one field stand for any of them: `verdict:deny,hold`; for more, use a condition: `--where`",
        };
      if (bare === "AND" || bare === "NOT") {
        negated = bare === "NOT" ? start : negated;
        at = words.end;
        continue;
      }
    }
    tokens.push({
      not,
      ...(field !== undefined && { field: field.toLowerCase() }),
      ...(comparison !== undefined && { comparison }),
      words: words.words,
      column: start + 1,
    });
    negated = undefined;
    at = words.end;
  }
  if (negated !== undefined) return { message: "`NOT` is not followed by anything", column: negated + 1 };
  return tokens;
}

/** The values from a place on, to the next space. Commas part them, where a field is before them. */
function wordsOf(text: string, from: number, parted: boolean): { readonly words: Word[]; readonly end: number } | Slip {
  const words: Word[] = [];
  let at = from;
  do {
    if (words.length > 0) at++;
    const column = at + 1;
    const pieces: Piece[] = [];
    while (at < text.length && !/\s/.test(text[at] as string) && !(parted && text[at] === ",")) {
      if (text[at] === '"') {
        const quoted = /"((?:[^"\\]|\\.)*)"/sy;
        quoted.lastIndex = at;
        const match = quoted.exec(text);
        if (!match)
          return { message: "a quote is not closed", column: at + 1, help: 'write `\\"` for a quote in quotes' };
        pieces.push({ text: (match[1] as string).replaceAll(/\\(.)/gs, "$1"), quoted: true });
        at += match[0].length;
      } else {
        const bare = parted ? /[^\s",]+/y : /[^\s"]+/y;
        bare.lastIndex = at;
        const match = bare.exec(text) as RegExpExecArray;
        pieces.push({ text: match[0], quoted: false });
        at += match[0].length;
      }
    }
    words.push({ pieces, column });
  } while (parted && text[at] === ",");
  return { words, end: at };
}
