import { CallgateError } from "@callgate/core";
import { secondsOf } from "./duration.ts";

/** A time as the ledger takes it; a length of time is so long ago. */
export function timeOf(text: string): string {
  return /^\d+[smhd]$/.test(text) ? new Date(Date.now() - secondsOf(text) * 1000).toISOString() : text;
}

/** A whole number. Throws `BAD_ARGUMENT`. */
export function wholeOf(name: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`${name}\` is not a whole number`);
}
