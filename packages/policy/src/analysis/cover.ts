/**
 * Whether whatever one glob matches is matched by another too. It MUST NOT say so of two that differ; it may fail to see it where
 * wildcards of both have to be weighed against each other.
 */
export function globCovers(wide: string, narrow: string): boolean {
  const [w, n] = [wide.replaceAll(/\*+/g, "*"), narrow.replaceAll(/\*+/g, "*")];
  const seen = new Map<string, boolean>();
  const covers = (i: number, j: number): boolean => {
    const key = `${i} ${j}`;
    const known = seen.get(key);
    if (known !== undefined) return known;
    seen.set(key, false);
    const found = step(i, j);
    seen.set(key, found);
    return found;
  };
  const step = (i: number, j: number): boolean => {
    if (i === w.length) return j === n.length;
    // A star takes anything of the other glob, its wildcards included.
    if (w[i] === "*") return covers(i + 1, j) || (j < n.length && covers(i, j + 1));
    if (j === n.length || n[j] === "*") return false;
    return (w[i] === "?" || w[i] === n[j]) && covers(i + 1, j + 1);
  };
  return covers(0, 0);
}

/** Whether each glob of a list is covered by some glob of another; an absent list covers everything. */
export function globsCover(wide: readonly string[] | undefined, narrow: readonly string[] | undefined): boolean {
  if (!wide) return true;
  return narrow !== undefined && narrow.every((one) => wide.some((other) => globCovers(other, one)));
}
