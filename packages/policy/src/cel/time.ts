import { Fault, invalid, NO_OVERLOAD } from "./fault.ts";
import { Duration, INT_MAX, INT_MIN, Timestamp, type Value } from "./value.ts";

const FIRST_SECOND = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;
const BILLION = 1_000_000_000n;
const RANGE = new Fault("out_of_range", "a timestamp or duration is out of range");

/** A timestamp of seconds and any number of nanoseconds; throws a Fault outside of year 1 to 9999. */
export function timestampOf(seconds: bigint, nanos: bigint): Timestamp {
  let whole = seconds + nanos / BILLION;
  let rest = nanos % BILLION;
  if (rest < 0n) {
    rest += BILLION;
    whole -= 1n;
  }
  if (whole < FIRST_SECOND || whole > LAST_SECOND) throw RANGE;
  return new Timestamp(Number(whole), Number(rest));
}

/** A duration; throws a Fault if its nanoseconds do not fit an int64. */
export function durationOf(nanos: bigint): Duration {
  if (nanos < INT_MIN || nanos > INT_MAX) throw RANGE;
  return new Duration(nanos);
}

/** The timestamp of Unix milliseconds. MUST be given a finite number. */
export function timestampOfMillis(ms: number): Timestamp {
  const seconds = Math.floor(ms / 1000);
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND)) throw RANGE;
  return new Timestamp(seconds, Math.floor((ms - seconds * 1000) * 1e6));
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9})\d*)?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Reads an RFC 3339 timestamp. */
export function parseTimestamp(text: string): Timestamp {
  const match = text.length <= 64 ? RFC3339.exec(text) : null;
  if (!match) throw invalid("a timestamp is not in RFC 3339 form");
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const same = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!same || hour > 23 || minute > 59 || second > 59) throw invalid("a timestamp names a time that does not exist");
  const offsetHour = Number(match[9] ?? 0);
  const offsetMinute = Number(match[10] ?? 0);
  if (offsetHour > 23 || offsetMinute > 59) throw invalid("a timestamp's offset is out of range");
  const offset = (offsetHour * 60 + offsetMinute) * (match[8] === "-" ? -60 : 60);
  return timestampOf(BigInt(date.getTime() / 1000 - offset), BigInt((match[7] ?? "").padEnd(9, "0")));
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: 1_000_000n,
  s: BILLION,
  m: 60n * BILLION,
  h: 3600n * BILLION,
};
const PART = /(\d+)?(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/y;

/** Reads a duration as Go writes it: `1h30m`, `-1.5s`, `300ms`, `0`. */
export function parseDuration(text: string): Duration {
  const bad = invalid("a duration is not in a form like `1h30m` or `1.5s`");
  if (text.length > 64) throw bad;
  const negative = text.startsWith("-");
  let at = negative || text.startsWith("+") ? 1 : 0;
  if (text.slice(at) === "0") return new Duration(0n);
  if (at === text.length) throw bad;
  let nanos = 0n;
  while (at < text.length) {
    PART.lastIndex = at;
    const match = PART.exec(text);
    if (!match || (match[1] === undefined && !match[2])) throw bad;
    const unit = UNITS[match[3] as string] as bigint;
    const fraction = match[2] ?? "";
    nanos += BigInt(match[1] ?? 0) * unit + (BigInt(fraction || 0) * unit) / 10n ** BigInt(fraction.length);
    at = PART.lastIndex;
  }
  return durationOf(negative ? -nanos : nanos);
}

function fractionOf(nanos: bigint | number): string {
  const digits = String(nanos).padStart(9, "0").replace(/0+$/, "");
  return digits ? `.${digits}` : "";
}

/** RFC 3339 in UTC, with as many digits as needed. */
export function timestampText(t: Timestamp): string {
  const date = new Date(t.seconds * 1000).toISOString();
  return `${date.slice(0, 19)}${fractionOf(t.nanos)}Z`;
}

/** Seconds with as many digits as needed, and `s`. */
export function durationText(d: Duration): string {
  const nanos = d.nanos < 0n ? -d.nanos : d.nanos;
  return `${d.nanos < 0n ? "-" : ""}${nanos / BILLION}${fractionOf(nanos % BILLION)}s`;
}

export function addTime(a: Value, b: Value): Value {
  if (a instanceof Timestamp && b instanceof Duration) return timestampOf(BigInt(a.seconds), BigInt(a.nanos) + b.nanos);
  if (a instanceof Duration && b instanceof Timestamp) return addTime(b, a);
  if (a instanceof Duration && b instanceof Duration) return durationOf(a.nanos + b.nanos);
  throw NO_OVERLOAD;
}

export function subtractTime(a: Value, b: Value): Value {
  if (b instanceof Duration) {
    if (a instanceof Timestamp) return timestampOf(BigInt(a.seconds), BigInt(a.nanos) - b.nanos);
    if (a instanceof Duration) return durationOf(a.nanos - b.nanos);
  }
  if (a instanceof Timestamp && b instanceof Timestamp) {
    return durationOf(BigInt(a.seconds - b.seconds) * BILLION + BigInt(a.nanos - b.nanos));
  }
  throw NO_OVERLOAD;
}

/** Fields of a timestamp in a zone, as `get…` functions give them. */
export type TimePart =
  | "FullYear"
  | "Month"
  | "Date"
  | "DayOfMonth"
  | "DayOfWeek"
  | "DayOfYear"
  | "Hours"
  | "Minutes"
  | "Seconds"
  | "Milliseconds";

const OFFSET = /^([+-])?(\d\d):(\d\d)$/;
const MAX_ZONES = 64;
const zones = new Map<string, Intl.DateTimeFormat>();

function zoneFormat(zone: string): Intl.DateTimeFormat {
  const known = zones.get(zone);
  if (known) return known;
  if (zone.length > 64) throw invalid("unknown time zone");
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "iso8601",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
  } catch {
    throw invalid("unknown time zone");
  }
  // A zone may come from an argument: keep only so many.
  if (zones.size >= MAX_ZONES) zones.clear();
  zones.set(zone, format);
  return format;
}

/** Whether `timePart` knows the zone. */
export function isZone(zone: string): boolean {
  if (isUtc(zone) || OFFSET.test(zone)) return true;
  try {
    return zoneFormat(zone) !== undefined;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

function isUtc(zone: string): boolean {
  return zone === "UTC" || zone === "Z" || zone === "";
}

/** The timestamp moved so that its UTC fields are the zone's. */
function local(t: Timestamp, zone: string | undefined): Date {
  if (zone === undefined || isUtc(zone)) return new Date(t.seconds * 1000);
  const fixed = OFFSET.exec(zone);
  if (fixed) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return new Date((t.seconds + minutes * (fixed[1] === "-" ? -60 : 60)) * 1000);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of zoneFormat(zone).formatToParts(t.seconds * 1000)) parts[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date;
}

/** One field of a timestamp in a zone: an IANA name, or an offset such as `+02:00`. Months and days of the year count from 0. */
export function timePart(part: TimePart, t: Timestamp, zone?: string): number {
  if (part === "Milliseconds") return Math.floor(t.nanos / 1e6);
  const date = local(t, zone);
  switch (part) {
    case "FullYear":
      return date.getUTCFullYear();
    case "Month":
      return date.getUTCMonth();
    case "Date":
      return date.getUTCDate();
    case "DayOfMonth":
      return date.getUTCDate() - 1;
    case "DayOfWeek":
      return date.getUTCDay();
    case "DayOfYear": {
      const first = new Date(0);
      first.setUTCFullYear(date.getUTCFullYear(), 0, 1);
      return Math.floor((date.getTime() - first.getTime()) / 86_400_000);
    }
    case "Hours":
      return date.getUTCHours();
    case "Minutes":
      return date.getUTCMinutes();
    case "Seconds":
      return date.getUTCSeconds();
    default:
      return part satisfies never;
  }
}

/** The whole hours, minutes or seconds of a duration; the milliseconds are those within the second. */
export function durationPart(part: "Hours" | "Minutes" | "Seconds" | "Milliseconds", d: Duration): bigint {
  switch (part) {
    case "Hours":
      return d.nanos / (3600n * BILLION);
    case "Minutes":
      return d.nanos / (60n * BILLION);
    case "Seconds":
      return d.nanos / BILLION;
    case "Milliseconds":
      return (d.nanos / 1_000_000n) % 1000n;
    default:
      return part satisfies never;
  }
}
