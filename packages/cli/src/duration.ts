import { CallgateError } from "@callgate/core";

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** Seconds of a time such as `90s`, `15m`, `8h`, `2d`. Throws `BAD_ARGUMENT`. */
export function secondsOf(text: string): number {
  const match = /^(\d{1,7})(s|m|h|d)$/.exec(text);
  if (!match)
    throw new CallgateError("BAD_ARGUMENT", `\`${text}\` is not a length of time`, {
      help: "write a whole number and a unit: `90s`, `15m`, `8h`, `2d`",
    });
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}
