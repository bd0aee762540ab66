import { editDistance } from "@callgate/core";

/** The known word that was most likely meant, if one is near enough. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const limit = word.length <= 3 ? 1 : Math.min(3, Math.ceil(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const d = editDistance(word.toLowerCase(), candidate.toLowerCase(), limit);
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

/** `did you mean \`x\`?`, or else the list of what there is, or `fallback` if there is nothing. */
export function didYouMean(word: string, known: Iterable<string>, fallback = "there is none to choose from"): string {
  const names = [...known];
  const near = nearest(word, names);
  if (near !== undefined) return `did you mean \`${near}\`?`;
  return names.length > 0 ? `use one of ${quoteList(names)}` : fallback;
}

/** "`a`, `b`, `c`", at most a dozen. */
export function quoteList(names: Iterable<string>): string {
  const all = [...names];
  const shown = all.slice(0, 12).map((n) => `\`${n}\``);
  return all.length > shown.length ? `${shown.join(", ")} and ${all.length - shown.length} more` : shown.join(", ");
}
