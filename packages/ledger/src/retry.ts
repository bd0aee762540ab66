/** How long a file that somebody else has for themselves is waited for, in milliseconds. */
const PATIENCE_MS = 10_000;
const LONGEST_PAUSE_MS = 25;

/**
 * Does what SQLite may refuse because the file is in use, again and again, for ten seconds at most and without holding the
 * event loop; then throws what SQLite threw.
 */
export async function whileBusy<T>(action: () => T): Promise<T> {
  const end = performance.now() + PATIENCE_MS;
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test((error as { code?: string }).code ?? "");
}
