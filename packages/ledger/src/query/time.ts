const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;
const DAY = UNITS.d;

/**
 * A time as people write it, in Unix milliseconds; undefined if it is none. How long ago (`90s`, `15m`, `2h`, `7d`,
 * `1w`), `now`, `today`, `yesterday`, a date, or a date and a time, in UTC unless it says otherwise. A day is its first
 * moment, or its last where the `end` of it is asked for.
 */
export function parseTime(text: string, now: number, end: boolean): number | undefined {
  const ago = /^(\d{1,7})([smhdw])$/i.exec(text);
  if (ago) return now - Number(ago[1]) * UNITS[(ago[2] as string).toLowerCase() as keyof typeof UNITS];
  const word = text.toLowerCase();
  if (word === "now") return now;
  const today = now - (now % DAY);
  if (word === "today") return day(today, end);
  if (word === "yesterday") return day(today - DAY, end);
  const iso = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|z|[+-]\d\d:?\d\d)?)?$/.exec(text);
  if (!iso) return undefined;
  const [, date, time, zone = "Z"] = iso;
  // JavaScript takes the 31st of February for a day in March.
  const midnight = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date) return undefined;
  if (time === undefined) return day(midnight, end);
  const at = Date.parse(`${date}T${time}${zone.toUpperCase()}`);
  return Number.isNaN(at) ? undefined : at;
}

function day(start: number, end: boolean): number {
  return end ? start + DAY - 1 : start;
}
