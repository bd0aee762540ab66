import { printable } from "@callgate/gateway";

/**
 * A JSON text laid out in lines, safe to print. Works on the text, not on its value: what a person approves MUST be what was
 * asked for, digit by digit, and numbers of more than 53 bits do not survive parsing. What is not JSON comes out as one line.
 */
export function jsonLines(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  let depth = 0;
  const flush = (next = ""): void => {
    if (line.trim() !== "") lines.push(printable(line));
    line = "  ".repeat(Math.max(depth, 0)) + next;
  };
  for (const token of text.match(/"(?:[^"\\]|\\.)*"?|[{[]\s*[}\]]|[{}[\],:]|[^\s"{}[\],:]+|\s+/gs) ?? []) {
    if (token === "{" || token === "[") {
      line += token;
      depth++;
      flush();
    } else if (token === "}" || token === "]") {
      depth--;
      flush(token);
    } else if (token === ",") {
      line += token;
      flush();
    } else if (token === ":") line += ": ";
    else if (token.trim() !== "") line += token;
  }
  flush();
  return lines;
}

/** A text cut to a number of characters, safe to print, with a sign where it was cut. */
export function shortText(text: string, length: number): string {
  // Cut first: most of a long text is not shown. Twice as much, and by code points, so that no character is cut in half.
  const start = Array.from(text.slice(0, 2 * (length + 1)))
    .slice(0, length + 1)
    .join("");
  const safe = Array.from(printable(start));
  return safe.length > length ? `${safe.slice(0, length - 1).join("")}…` : safe.join("");
}
