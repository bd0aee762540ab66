/** A cell of a CSV file: a text, a number, or nothing. */
export type Cell = string | number | null | undefined;

/**
 * A line of CSV (RFC 4180), with its line end. A text that a spreadsheet would take for a formula gets an apostrophe
 * before it: texts by agents and servers MUST NOT be run by whoever opens the file.
 */
export function csvLine(cells: readonly Cell[]): string {
  return `${cells.map(cellText).join(",")}\r\n`;
}

function cellText(cell: Cell): string {
  if (cell === null || cell === undefined) return "";
  if (typeof cell === "number") return String(cell);
  // Some programs trim, or read the full-width forms as the plain ones.
  const safe = /^\s*[=+\-@\t\r＝＋－＠]/u.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
