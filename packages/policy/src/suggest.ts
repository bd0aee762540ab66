import { editDistance } from "@callgate/core";

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
