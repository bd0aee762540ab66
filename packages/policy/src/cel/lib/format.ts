import { entriesOf } from "../compare.ts";
import { Fault, invalid } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import { durationText, timestampText } from "../time.ts";
import {
  Double,
  Duration,
  doubleOf,
  isInt,
  isJsonMap,
  MapValue,
  Opaque,
  Optional,
  Timestamp,
  TypeValue,
  Uint,
  type Value,
} from "../value.ts";
import { doubleText } from "./standard.ts";

const CLAUSE = /%(?:%|(?:\.(\d{1,3}))?([a-zA-Z]))/y;
const MAX_PRECISION = 100;
const MAX_DEPTH = 64;

/** `text.format(args)`: `%s %d %f %e %b %o %x %X`, each with a precision where it makes sense. */
export function format(text: string, args: readonly Value[], frame: Frame): string {
  let out = "";
  let used = 0;
  for (let at = 0; at < text.length; ) {
    const percent = text.indexOf("%", at);
    if (percent < 0) return out + text.slice(at);
    out += text.slice(at, percent);
    CLAUSE.lastIndex = percent;
    const match = CLAUSE.exec(text);
    if (!match) throw invalid("a format string has a malformed clause");
    at = CLAUSE.lastIndex;
    if (match[2] === undefined) {
      out += "%";
      continue;
    }
    if (used >= args.length) throw new Fault("out_of_range", "a format string has more clauses than values");
    const precision = match[1] === undefined ? undefined : Math.min(Number(match[1]), MAX_PRECISION);
    const piece = clause(match[2], precision, args[used++] as Value, frame);
    spend(frame, 4 + (piece.length >> 5));
    out += piece;
  }
  return out;
}

function clause(verb: string, precision: number | undefined, value: Value, frame: Frame): string {
  switch (verb) {
    case "s":
      return plain(value, frame, 0);
    case "d": {
      const double = doubleOf(value);
      if (double !== undefined) return doubleText(double);
      return integerOf(value, "d").toString();
    }
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : integerOf(value, "b").toString(2);
    case "o":
      return integerOf(value, "o").toString(8);
    case "x":
      return hex(value);
    case "X":
      return hex(value).toUpperCase();
    case "f":
      return finite(numberOf(value, "f"), (n) => fixed(n, precision ?? 6));
    case "e":
      return finite(numberOf(value, "e"), (n) => n.toExponential(precision ?? 6).replace(/e([+-])(\d)$/, "e$10$2"));
    default:
      throw invalid(`unknown format clause \`%${verb}\``);
  }
}

function integerOf(value: Value, verb: string): bigint {
  if (isInt(value)) return BigInt(value);
  if (value instanceof Uint) return value.value;
  throw invalid(`\`%${verb}\` takes an integer`);
}

function numberOf(value: Value, verb: string): number {
  const double = doubleOf(value);
  return double ?? Number(integerOf(value, verb));
}

function hex(value: Value): string {
  if (typeof value === "string") return Buffer.from(value, "utf8").toString("hex");
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  return integerOf(value, "x").toString(16);
}

function finite(value: number, print: (value: number) => string): string {
  return Number.isFinite(value) ? print(value) : doubleText(value);
}

/** Rounds half to even, as C and Go do; `toFixed` rounds an exact half up. */
function fixed(value: number, precision: number): string {
  if (Math.abs(value) >= 1e21) {
    const whole = BigInt(value).toString();
    return precision > 0 ? `${whole}.${"0".repeat(precision)}` : whole;
  }
  const rounded = value.toFixed(precision);
  if (precision >= 60) return rounded;
  const exact = value.toFixed(100);
  const cut = exact.indexOf(".") + 1 + precision;
  if (!/^50*$/.test(exact.slice(cut))) return rounded;
  const floor = exact.slice(0, precision === 0 ? cut - 1 : cut);
  return /[02468]$/.test(floor) ? floor : rounded;
}

/** A value as `%s` prints it. */
function plain(value: Value, frame: Frame, depth: number): string {
  if (depth > MAX_DEPTH) throw invalid("a value nests too deeply to be printed");
  if (typeof value === "string") return value;
  if (value === null) return "null";
  if (typeof value === "boolean") return String(value);
  if (isInt(value)) return String(value);
  if (typeof value === "number") return doubleText(value);
  if (value instanceof Double) return doubleText(value.value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof Opaque) return value.toText();
  if (value instanceof Optional) throw invalid("an optional cannot be printed");
  if (Array.isArray(value)) {
    spend(frame, value.length);
    return `[${value.map((item: Value) => plain(item, frame, depth + 1)).join(", ")}]`;
  }
  if (!(value instanceof MapValue) && !isJsonMap(value)) throw invalid("a value cannot be printed");
  const entries: [string, string][] = [];
  for (const [key, item] of entriesOf(value as Value)) {
    spend(frame, 2);
    entries.push([plain(key, frame, depth + 1), plain(item, frame, depth + 1)]);
  }
  entries.sort(([x], [y]) => (x < y ? -1 : x > y ? 1 : 0));
  return `{${entries.map(([key, item]) => `${key}: ${item}`).join(", ")}}`;
}
