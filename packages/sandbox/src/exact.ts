/**
 * Whether a JSON text may hold a number that a double does not: 16 digits in a row, or an exponent. Parsing such a text
 * exactly looks at each of its values, which takes some fifty times as long. MUST stand alone: the worker gets its text.
 */
export function needsExact(json: string): boolean {
  const digit = (at: number): boolean => {
    const code = json.charCodeAt(at);
    return code >= 48 && code <= 57;
  };
  // Each such row covers a 16th character.
  for (let at = 15; at < json.length; at += 16) {
    if (!digit(at)) continue;
    let [start, end] = [at, at];
    while (digit(start - 1)) start--;
    while (digit(end + 1)) end++;
    if (end - start >= 15) return true;
  }
  return /\d[eE]\+?\d+(?:[\s,}\]]|$)/.test(json);
}
