// Controls, formats (bidirectional overrides, zero-width marks, tags), line and paragraph separators, lone surrogates.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * A text by agents or servers as one line that is safe to print. What a terminal would act on or a person would not see is
 * written as an escape (`\n`, `\u{1b}`): such texts MUST NOT move the cursor, hide a part of themselves or forge a line.
 */
export function printable(text: string): string {
  return text.replace(UNSEEN, (c) => SHORT[c] ?? `\\u{${(c.codePointAt(0) as number).toString(16)}}`);
}

/** The same for a text of several lines: its line breaks stay. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}
