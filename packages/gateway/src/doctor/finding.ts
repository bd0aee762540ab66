/** `fail`: something that is required is missing. `warn`: it works, but somebody should know. */
export type Health = "ok" | "warn" | "fail";

/** What one look at the machine, the data or the configuration found. */
export interface Checkup {
  /** What was looked at: a short name that does not change. */
  readonly check: string;
  readonly health: Health;
  readonly detail: string;
  /** What to do about it. */
  readonly help?: string;
}

export function checkup(check: string, health: Health, detail: string, help?: string): Checkup {
  return { check, health, detail, ...(help !== undefined && health !== "ok" && { help }) };
}
