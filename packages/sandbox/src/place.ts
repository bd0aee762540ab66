import { wrapScript } from "./request.ts";

/** Where in a script something stands, as the script was written. Both count from 1; a column counts UTF-16 units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Lines that stand before the script in the text that is read. */
const LINES_BEFORE = wrapScript("\0").split("\0", 1)[0]?.split("\n").length ?? 1;

/**
 * Where a parser met what it could not read, in a script that it was given wrapped; undefined if it does not say. What it met behind the
 * script's end is missing there.
 */
export function placeOf(error: unknown, script: string): Place | undefined {
  const found = fromLocation(error) ?? fromSnippet(error);
  if (!found) return undefined;
  const lines = script.split(/\r\n|\n/);
  const line = found.line - LINES_BEFORE + 1;
  if (line < 1) return { line: 1, column: 1 };
  const text = lines[line - 1];
  if (text === undefined) {
    const last = lines.findLastIndex((one) => one.trim() !== "");
    return { line: Math.max(0, last) + 1, column: (lines[last] ?? "").trimEnd().length + 1 };
  }
  return { line, column: "column" in found ? found.column : columnIn(text, found) };
}

/** The parser of JavaScript says it in numbers. */
function fromLocation(error: unknown): Place | undefined {
  const { loc } = error as { readonly loc?: { readonly line?: unknown; readonly column?: unknown } };
  if (typeof loc?.line !== "number" || typeof loc.column !== "number") return undefined;
  return { line: loc.line, column: loc.column + 1 };
}

/** What a drawing says of a place: the line, and the width of what stands before the mark below it, or a word of the complaint. */
interface Drawn {
  readonly line: number;
  readonly before: number | undefined;
  readonly word: string | undefined;
}

/** Node says where TypeScript cannot be erased in a drawing alone: `:<line>`, some lines of the text, `^` below the place. */
function fromSnippet(error: unknown): Drawn | undefined {
  const { stack, message } = error as { readonly stack?: unknown; readonly message?: unknown };
  if (typeof stack !== "string") return undefined;
  const line = /^[^\n]*:(\d+)\n/.exec(stack)?.[1];
  if (line === undefined) return undefined;
  const marks = /\n( *)\^+ *\n/.exec(stack);
  return { line: Number(line), before: marks?.[1]?.length, word: /\b(enum|namespace)\b/.exec(String(message))?.[1] };
}

const TAB = 4;
const WIDE =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\uff01-\uff60]/u;

/** The column at which a drawing points: it draws a tab as four blanks, and some characters take two places. */
function columnIn(text: string, { before, word }: Drawn): number {
  const blank = text.length - text.trimStart().length;
  // A complaint about several lines has no mark.
  if (before === undefined) return Math.max(blank, word === undefined ? 0 : text.indexOf(word)) + 1;
  let column = 1;
  let width = 0;
  for (const character of text) {
    if (width >= before) break;
    width += character === "\t" ? TAB : WIDE.test(character) ? 2 : 1;
    column += character.length;
  }
  return column;
}
