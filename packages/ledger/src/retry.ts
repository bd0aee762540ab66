import { PATIENCE } from "./patience.ts";

const LONGEST_PAUSE_MS = 25;

/**
 * Does what SQLite may refuse because the file is in use, again and again, for so many milliseconds at most and without
 * holding the event loop; then throws what SQLite threw.
 */
export async function whileBusy<T>(action: () => T, patience: number = PATIENCE.busy): Promise<T> {
  const end = performance.now() + patience;
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return action();
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

export function isBusy(error: unknown): boolean {
  return /^SQLITE_(?:BUSY|LOCKED)/.test((error as { code?: string }).code ?? "");
}
