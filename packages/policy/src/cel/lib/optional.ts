import { mapSize } from "../compare.ts";
import type { LibraryBuilder } from "../env.ts";
import { invalid, NO_OVERLOAD } from "../fault.ts";
import { Double, Duration, Optional, Timestamp, Uint, type Value } from "../value.ts";

function optional(value: Value): Optional {
  if (!(value instanceof Optional)) throw NO_OVERLOAD;
  return value;
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === 0 || value === "" || value === 0n) return true;
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  if (value instanceof Double) return value.value === 0;
  if (value instanceof Uint) return value.value === 0n;
  if (value instanceof Duration) return value.nanos === 0n;
  if (value instanceof Timestamp) return value.seconds === 0 && value.nanos === 0;
  if (value instanceof Optional) return !value.present;
  return mapSize(value) === 0;
}

/** The optional extension, its macros apart. */
export function addOptional(lib: LibraryBuilder): void {
  lib.add("optional.of", { global: ["A -> optional<A>"] }, (_, value) => Optional.of(value));
  lib.add("optional.none", { global: ["-> optional<A>"] }, () => Optional.none);
  lib.add("optional.ofNonZeroValue", { global: ["A -> optional<A>"] }, (_, value) =>
    isZero(value) ? Optional.none : Optional.of(value),
  );
  lib.add("hasValue", { member: ["optional<A> -> bool"] }, (_, value) => optional(value).present);
  lib.add("value", { member: ["optional<A> -> A"] }, (_, value) => {
    const { present, value: inner } = optional(value);
    if (!present) throw invalid("an empty optional has no value");
    return inner;
  });
}
