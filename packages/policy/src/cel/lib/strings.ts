import type { LibraryBuilder } from "../env.ts";
import { Fault, NO_OVERLOAD } from "../fault.ts";
import { type Frame, spend } from "../frame.ts";
import type { Value } from "../value.ts";
import { format } from "./format.ts";
import { integer, isWide, list, text } from "./standard.ts";

// What Unicode calls White_Space; JavaScript's own set has U+FEFF too, and no U+0085.
const SPACE = "\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const TRIM = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");

function outOfRange(index: number): Fault {
  return new Fault("out_of_range", `index out of range: ${index}`);
}

/** The pieces of a string that positions count: its code points. */
function points(value: string, frame: Frame): string | readonly string[] {
  spend(frame, value.length >> 4);
  if (!isWide(value)) return value;
  spend(frame, value.length);
  return Array.from(value);
}

function pieces(of: string | readonly string[], start: number, end: number): string {
  return typeof of === "string" ? of.slice(start, end) : of.slice(start, end).join("");
}

function checked(index: number, length: number): number {
  if (index < 0 || index > length) throw outOfRange(index);
  return index;
}

function indexOf(frame: Frame, value: Value, part: Value, from?: Value): Value {
  const whole = points(text(value), frame);
  const start = from === undefined ? 0 : checked(integer(from), whole.length);
  if (typeof whole === "string") return whole.indexOf(text(part), start);
  const rest = pieces(whole, start, whole.length);
  const at = rest.indexOf(text(part));
  return at < 0 ? -1 : start + Array.from(rest.slice(0, at)).length;
}

function lastIndexOf(frame: Frame, value: Value, part: Value, from?: Value): Value {
  const whole = points(text(value), frame);
  const start = from === undefined ? whole.length : checked(integer(from), whole.length);
  if (typeof whole === "string") return whole.lastIndexOf(text(part), start);
  // The match may start at `start` and reach past it.
  const reach = pieces(whole, 0, start + Array.from(text(part)).length);
  const at = reach.lastIndexOf(text(part));
  return at < 0 ? -1 : Array.from(reach.slice(0, at)).length;
}

function substring(frame: Frame, value: Value, from: Value, to?: Value): Value {
  const whole = points(text(value), frame);
  const start = checked(integer(from), whole.length);
  const end = to === undefined ? whole.length : checked(integer(to), whole.length);
  if (start > end) throw new Fault("out_of_range", "a substring ends before it starts");
  return pieces(whole, start, end);
}

function replace(frame: Frame, value: Value, from: Value, to: Value, limit?: Value): Value {
  const count = limit === undefined ? -1 : integer(limit);
  const parts = cut(frame, text(value), text(from), count < 0 ? -1 : count + 1);
  spend(frame, ((parts.length - 1) * text(to).length) >> 4);
  return parts.join(to as string);
}

function split(frame: Frame, value: Value, separator: Value, limit?: Value): Value {
  const count = limit === undefined ? -1 : integer(limit);
  return cut(frame, text(value), text(separator), count);
}

/** Cuts a text at a separator into at most `limit` parts, the last of which is the rest; every part costs as it is made. */
function cut(frame: Frame, whole: string, separator: string, limit: number): string[] {
  spend(frame, whole.length >> 4);
  if (limit === 0) return [];
  const parts: string[] = [];
  let at = 0;
  while (limit < 0 || parts.length < limit - 1) {
    // An empty separator cuts between characters, not between the halves of one.
    const wide = separator === "" && (whole.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
    const next = separator === "" ? at + wide : whole.indexOf(separator, at);
    if (next < 0 || (separator === "" && next >= whole.length)) break;
    spend(frame, 1);
    parts.push(whole.slice(at, next));
    at = next + separator.length;
  }
  if (separator !== "" || at < whole.length) parts.push(whole.slice(at));
  return parts;
}

function join(frame: Frame, value: Value, separator?: Value): Value {
  const parts = list(value).map(text);
  const between = separator === undefined ? "" : text(separator);
  let length = between.length * parts.length;
  for (const part of parts) length += part.length;
  spend(frame, parts.length + (length >> 5));
  return parts.join(between);
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};

function quote(frame: Frame, value: Value): Value {
  spend(frame, text(value).length >> 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
  return `"${(value as string).toWellFormed().replace(/[\x07\b\f\n\r\t\v\\"]/g, (c) => ESCAPES[c] as string)}"`;
}

function mapped(change: (value: string) => string): (frame: Frame, value: Value) => Value {
  return (frame, value) => {
    spend(frame, text(value).length >> 4);
    return change(value as string);
  };
}

/** The strings extension. Positions count code points. */
export function addStrings(lib: LibraryBuilder): void {
  lib.add("charAt", { member: ["string, int -> string"] }, (frame, value, index) => {
    const whole = points(text(value), frame);
    const at = checked(integer(index), whole.length);
    return pieces(whole, at, at + 1);
  });
  lib.add("indexOf", { member: ["string, string -> int", "string, string, int -> int"] }, indexOf as never);
  lib.add("lastIndexOf", { member: ["string, string -> int", "string, string, int -> int"] }, lastIndexOf as never);
  lib.add("substring", { member: ["string, int -> string", "string, int, int -> string"] }, substring as never);
  lib.add(
    "replace",
    { member: ["string, string, string -> string", "string, string, string, int -> string"] },
    replace as never,
  );
  lib.add(
    "split",
    { member: ["string, string -> list<string>", "string, string, int -> list<string>"] },
    split as never,
  );
  lib.add("join", { member: ["list<string> -> string", "list<string>, string -> string"] }, join as never);
  lib.add(
    "lowerAscii",
    { member: ["string -> string"] },
    mapped((s) => s.replace(/[A-Z]+/g, (c) => c.toLowerCase())),
  );
  lib.add(
    "upperAscii",
    { member: ["string -> string"] },
    mapped((s) => s.replace(/[a-z]+/g, (c) => c.toUpperCase())),
  );
  lib.add(
    "trim",
    { member: ["string -> string"] },
    mapped((s) => s.replace(TRIM, "")),
  );
  lib.add("strings.quote", { global: ["string -> string"] }, quote);
  lib.add("reverse", { member: ["string -> string", "list<A> -> list<A>"] }, (frame, value) => {
    if (typeof value === "string") {
      spend(frame, value.length);
      return Array.from(value).reverse().join("");
    }
    if (!Array.isArray(value)) throw NO_OVERLOAD;
    spend(frame, value.length);
    return value.toReversed() as Value[];
  });
  lib.add("format", { member: ["string, list<dyn> -> string"] }, (frame, value, args) =>
    format(text(value), list(args), frame),
  );
}
