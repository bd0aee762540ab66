import { mapSize } from "../compare.ts";
import type { LibraryBuilder } from "../env.ts";
import { invalid, NO_OVERLOAD, OVERFLOW } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import {
  durationPart,
  durationText,
  isZone,
  parseDuration,
  parseTimestamp,
  type TimePart,
  timePart,
  timestampOf,
  timestampText,
} from "../time.ts";
import {
  checkedInt,
  checkedUint,
  Duration,
  doubleOf,
  INT_MAX,
  INT_MIN,
  isInt,
  Opaque,
  Timestamp,
  TypeValue,
  toDouble,
  toInt,
  typeNameOf,
  UINT_MAX,
  Uint,
  type Value,
} from "../value.ts";
import { compilePattern } from "./pattern.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The argument as a string; throws NO_OVERLOAD if it is none. */
export function text(value: Value): string {
  if (typeof value !== "string") throw NO_OVERLOAD;
  return value;
}

/** The argument as a list; throws NO_OVERLOAD if it is none. */
export function list(value: Value): readonly Value[] {
  if (!Array.isArray(value)) throw NO_OVERLOAD;
  return value as readonly Value[];
}

/** The argument as an int that a position or a count can be; throws NO_OVERLOAD if it is no int. */
export function integer(value: Value): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  if (typeof value === "bigint") return Number(value);
  throw NO_OVERLOAD;
}

/** Whether some of its characters take two UTF-16 units. */
export function isWide(value: string): boolean {
  return /[\ud800-\udfff]/.test(value);
}

/** The length of a string in code points. */
export function lengthOf(value: string, frame: Frame): number {
  spend(frame, value.length >> 5);
  if (!isWide(value)) return value.length;
  let length = value.length;
  for (let i = 0; i + 1 < value.length; i++) {
    const pair =
      value.charCodeAt(i) >= 0xd800 &&
      value.charCodeAt(i) < 0xdc00 &&
      value.charCodeAt(i + 1) >= 0xdc00 &&
      value.charCodeAt(i + 1) <= 0xdfff;
    if (!pair) continue;
    length -= 1;
    i += 1;
  }
  return length;
}

function size(frame: Frame, value: Value): Value {
  if (typeof value === "string") return lengthOf(value, frame);
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  const count = mapSize(value);
  if (count === undefined) throw NO_OVERLOAD;
  spend(frame, count);
  return count;
}

function toIntValue(_: Frame, value: Value): Value {
  // A JSON integer may be beyond 64 bits.
  if (isInt(value)) return typeof value === "bigint" ? checkedInt(value) : value;
  const double = doubleOf(value);
  if (double !== undefined) {
    // The bounds themselves are out: as doubles they stand for values beyond them too.
    if (!(double > Number(INT_MIN) && double < Number(INT_MAX))) throw OVERFLOW;
    return toInt(BigInt(Math.trunc(double)));
  }
  if (value instanceof Uint) return checkedInt(value.value);
  if (value instanceof Timestamp) return value.seconds;
  if (value instanceof Duration) return toInt(value.nanos / 1_000_000_000n);
  if (!/^-?\d{1,32}$/.test(text(value))) throw invalid("the text is not an integer");
  return checkedInt(BigInt(value as string));
}

function toUintValue(_: Frame, value: Value): Value {
  if (value instanceof Uint) return value;
  if (isInt(value)) return checkedUint(BigInt(value));
  const double = doubleOf(value);
  if (double !== undefined) {
    if (!(double > -1 && double < Number(UINT_MAX))) throw OVERFLOW;
    return checkedUint(BigInt(Math.trunc(double)));
  }
  if (!/^\d{1,32}$/.test(text(value))) throw invalid("the text is not an unsigned integer");
  return checkedUint(BigInt(value as string));
}

function toDoubleValue(_: Frame, value: Value): Value {
  if (isInt(value)) return toDouble(Number(value));
  const double = doubleOf(value);
  if (double !== undefined) return toDouble(double);
  if (value instanceof Uint) return toDouble(Number(value.value));
  const named = /^([+-]?)(nan|inf|infinity)$/i.exec(text(value));
  if (named) {
    if (named[2]?.toLowerCase() === "nan") return Number.NaN;
    return named[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(value as string)) throw invalid("the text is not a number");
  return toDouble(Number(value));
}

/** A double as text: Go's `%g`, which is what CEL implementations print. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (Object.is(value, -0)) return "-0";
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

function toStringValue(frame: Frame, value: Value): Value {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (isInt(value)) return String(value);
  const double = doubleOf(value);
  if (double !== undefined) {
    const plain = doubleText(double);
    return plain === "Infinity" ? "+Inf" : plain === "-Infinity" ? "-Inf" : plain;
  }
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Opaque) return value.toText();
  if (!(value instanceof Uint8Array)) throw NO_OVERLOAD;
  spend(frame, value.length >> 5);
  try {
    return DECODER.decode(value);
  } catch {
    throw invalid("the bytes are not UTF-8");
  }
}

function toBoolValue(_: Frame, value: Value): Value {
  if (typeof value === "boolean") return value;
  switch (text(value)) {
    case "1":
    case "t":
    case "T":
    case "true":
    case "TRUE":
    case "True":
      return true;
    case "0":
    case "f":
    case "F":
    case "false":
    case "FALSE":
    case "False":
      return false;
    default:
      throw invalid("the text is not a bool");
  }
}

const PARTS: readonly TimePart[] = [
  "FullYear",
  "Month",
  "Date",
  "DayOfMonth",
  "DayOfWeek",
  "DayOfYear",
  "Hours",
  "Minutes",
  "Seconds",
  "Milliseconds",
];

/** The standard functions of the language. */
export function addStandard(lib: LibraryBuilder): void {
  const sized = ["string -> int", "bytes -> int", "list<A> -> int", "map<A, B> -> int"];
  lib.add("size", { global: sized, member: sized }, size);
  lib.add("type", { global: ["A -> type<A>"] }, (_, value) => new TypeValue(typeNameOf(value)));
  lib.add("dyn", { global: ["A -> dyn"] }, (_, value) => value);
  lib.add(
    "int",
    { global: ["int -> int", "uint -> int", "double -> int", "string -> int", "timestamp -> int", "duration -> int"] },
    toIntValue,
  );
  lib.add("uint", { global: ["uint -> uint", "int -> uint", "double -> uint", "string -> uint"] }, toUintValue);
  lib.add(
    "double",
    { global: ["double -> double", "int -> double", "uint -> double", "string -> double"] },
    toDoubleValue,
  );
  lib.add("bool", { global: ["bool -> bool", "string -> bool"] }, toBoolValue);
  const printable = [
    "string",
    "bool",
    "int",
    "uint",
    "double",
    "bytes",
    "timestamp",
    "duration",
    "net.IP",
    "net.CIDR",
    "net.URL",
  ];
  lib.add("string", { global: printable.map((type) => `${type} -> string`) }, toStringValue);
  lib.add("bytes", { global: ["bytes -> bytes", "string -> bytes"] }, (frame, value) => {
    if (value instanceof Uint8Array) return value;
    spend(frame, text(value).length >> 5);
    return ENCODER.encode(value as string);
  });
  lib.add(
    "timestamp",
    { global: ["timestamp -> timestamp", "string -> timestamp", "int -> timestamp"] },
    (_, value) => {
      if (value instanceof Timestamp) return value;
      return isInt(value) ? timestampOf(BigInt(value), 0n) : parseTimestamp(text(value));
    },
  );
  lib.add("duration", { global: ["duration -> duration", "string -> duration"] }, (_, value) =>
    value instanceof Duration ? value : parseDuration(text(value)),
  );

  lib.add("startsWith", { member: ["string, string -> bool"] }, (_, a, b) => text(a).startsWith(text(b)));
  lib.add("endsWith", { member: ["string, string -> bool"] }, (_, a, b) => text(a).endsWith(text(b)));
  lib.add("contains", { member: ["string, string -> bool"] }, (frame, a, b) => {
    spend(frame, text(a).length >> 4);
    return (a as string).includes(text(b));
  });
  lib.add("matches", { member: ["string, string -> bool"], global: ["string, string -> bool"] }, (frame, a, b) => {
    // A pattern that is not a literal may come from an argument: compiling it is charged like matching.
    spend(frame, 2000 + text(b).length * 20);
    return compilePattern(text(b))(frame, text(a));
  });
  lib.prepared("matches", ([, pattern]) => {
    if (typeof pattern !== "string") return undefined;
    const matcher = compilePattern(pattern);
    return (frame, a) => matcher(frame, text(a));
  });

  for (const part of PARTS) {
    const spans =
      part === "Hours" || part === "Minutes" || part === "Seconds" || part === "Milliseconds"
        ? ["duration -> int"]
        : [];
    lib.add(`get${part}`, { member: ["timestamp -> int", ...spans] }, (_, value) => {
      if (value instanceof Timestamp) return timePart(part, value);
      if (!(value instanceof Duration) || spans.length === 0) throw NO_OVERLOAD;
      return toInt(durationPart(part as "Hours", value));
    });
    lib.add(`get${part}`, { member: ["timestamp, string -> int"] }, (frame, value, zone) => {
      if (!(value instanceof Timestamp)) throw NO_OVERLOAD;
      spend(frame, 200);
      return timePart(part, value, text(zone));
    });
    lib.prepared(`get${part}`, ([, zone]) => {
      if (typeof zone === "string" && !isZone(zone)) throw invalid(`there is no time zone \`${zone}\``);
      return undefined;
    });
  }
}
