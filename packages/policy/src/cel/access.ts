import { lookUp, mapSize } from "./compare.ts";
import { Fault, NO_OVERLOAD } from "./fault.ts";
import { isJsonMap, MapValue, numericOf, Optional, type Value } from "./value.ts";

const MISSING = new Fault("no_such_key", "no such key");
const OUT_OF_RANGE = new Fault("out_of_range", "an index is out of range");

/** The fault for a missing field. */
export function missing(field: string): Fault {
  return new Fault("no_such_key", `no such key: \`${field}\``);
}

/** The field of a map, or undefined; throws NO_OVERLOAD for what has no fields. */
export function fieldOf(of: Value, field: string): Value | undefined {
  if (of instanceof MapValue || isJsonMap(of)) return lookUp(of, field);
  throw NO_OVERLOAD;
}

/** `of.field` where `of` is not a plain object. */
export function select(of: Value, field: string, fault: Fault): Value {
  if (of instanceof Optional) return selectOptional(of, field);
  const value = fieldOf(of, field);
  if (value === undefined) throw fault;
  return value;
}

/** `of.?field`, and `of.field` of an optional: an optional, empty if there is no such field. */
export function selectOptional(of: Value, field: string): Optional {
  const inner = of instanceof Optional ? of.value : of;
  if (of instanceof Optional && !of.present) return Optional.none;
  const value = fieldOf(inner, field);
  return value === undefined ? Optional.none : Optional.of(value);
}

/** `has(of.field)`. A key whose value is null is there. */
export function hasField(of: Value, field: string): boolean {
  if (of instanceof Optional) return of.present && fieldOf(of.value, field) !== undefined;
  return fieldOf(of, field) !== undefined;
}

/** The element under an index, or undefined if there is none; throws NO_OVERLOAD for types that do not fit. */
function elementOf(of: Value, index: Value): Value | undefined {
  if (!Array.isArray(of)) {
    if (mapSize(of) === undefined) throw NO_OVERLOAD;
    return lookUp(of, index);
  }
  const position = numericOf(index);
  if (position === undefined || (typeof position === "number" && !Number.isInteger(position))) throw NO_OVERLOAD;
  return position >= 0 && position < of.length ? (of[Number(position)] as Value) : undefined;
}

/** `of[index]`. */
export function elementAt(of: Value, index: Value): Value {
  if (of instanceof Optional) return optionalElementAt(of, index);
  const value = elementOf(of, index);
  if (value === undefined) throw Array.isArray(of) ? OUT_OF_RANGE : MISSING;
  return value;
}

/** `of[?index]`, and `of[index]` of an optional. */
export function optionalElementAt(of: Value, index: Value): Optional {
  if (of instanceof Optional && !of.present) return Optional.none;
  const value = elementOf(of instanceof Optional ? of.value : of, index);
  return value === undefined ? Optional.none : Optional.of(value);
}
