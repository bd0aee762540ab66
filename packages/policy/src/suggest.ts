/** How many single-character edits (swap included) lead from one word to the other; stops counting past `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) best = Math.min(best, (before[j - 2] as number) + 1);
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
}

/** The known word that is most likely meant, or undefined if none is near. */
export function closest(word: string, known: Iterable<string>): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  let distance = limit + 1;
  for (const candidate of known) {
    const d = editDistance(word.toLowerCase(), candidate.toLowerCase(), limit);
    if (d < distance) {
      best = candidate;
      distance = d;
    }
  }
  return best;
}

/** A help line: the likely word, or else the known ones (up to eight). */
export function didYouMean(word: string, known: readonly string[], noun: string): string | undefined {
  const near = closest(word, known);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  if (known.length === 0) return undefined;
  const shown = known
    .slice(0, 8)
    .map((name) => `\`${name}\``)
    .join(", ");
  return `${noun}: ${shown}${known.length > 8 ? ", …" : ""}`;
}
