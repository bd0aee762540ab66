const LONGEST_MS = 15_000;
const PAUSE_MS = 10;

/** Waits for a condition: resolves with the first value that is neither undefined nor false. Rejects, naming it, after 15 s. */
export async function until<T>(what: string, look: () => T | Promise<T>): Promise<Exclude<T, undefined | false>> {
  const end = performance.now() + LONGEST_MS;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (performance.now() > end) throw new Error(`waited ${LONGEST_MS / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
