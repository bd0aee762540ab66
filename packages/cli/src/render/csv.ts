import { printable } from "@callgate/gateway";

/** A cell of a CSV file: a text, a number, or nothing. */
export type Cell = string | number | null | undefined;

/**
 * A line of CSV (RFC 4180), with its line end. A text that a spreadsheet would take for a formula gets an apostrophe
 * before it: texts by agents and servers MUST NOT be run by whoever opens the file.
 */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(",")}\r\n`;
}

/** Prints a line of CSV. A program gets the texts as they are; on a terminal they are written so that nothing in them can act on it. */
export function printCsv(
  cells: readonly Cell[],
  to: { readonly isTTY?: boolean; write(text: string): unknown } = process.stdout,
): void {
  to.write(csvLine(to.isTTY ? cells.map((cell) => (typeof cell === "string" ? printable(cell) : cell)) : cells));
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  // Some programs trim, or read the full-width forms as the plain ones.
  const safe = /^\s*[=+\-@\t\r＝＋－＠]/u.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
