// The conformance data's typed values, to and from the engine's.
import { entriesOf } from "../../packages/policy/src/cel/compare.ts";
import { durationOf, timestampOf } from "../../packages/policy/src/cel/time.ts";
import {
  checkedInt,
  Double,
  Duration,
  MapValue,
  Timestamp,
  TypeValue,
  toDouble,
  typeNameOf,
  Uint,
  type Value,
} from "../../packages/policy/src/cel/value.ts";

/** int and uint as decimal text, double as text, bytes as hex, timestamp and duration as [seconds, nanoseconds]. */
export type Canonical =
  | { readonly t: "null" }
  | { readonly t: "bool"; readonly v: boolean }
  | { readonly t: "int" | "uint" | "double" | "string" | "bytes" | "type"; readonly v: string }
  | { readonly t: "timestamp" | "duration"; readonly v: readonly [string, number] }
  | { readonly t: "list"; readonly v: readonly Canonical[] }
  | { readonly t: "map"; readonly v: readonly (readonly [Canonical, Canonical])[] };

export function fromCanonical(value: Canonical): Value {
  switch (value.t) {
    case "null":
      return null;
    case "bool":
    case "string":
      return value.v;
    case "int":
      return checkedInt(BigInt(value.v));
    case "uint":
      return new Uint(BigInt(value.v));
    case "double":
      return toDouble(Number(value.v));
    case "bytes":
      return new Uint8Array(Buffer.from(value.v, "hex"));
    case "type":
      return new TypeValue(value.v);
    case "timestamp":
      return timestampOf(BigInt(value.v[0]), BigInt(value.v[1]));
    case "duration":
      return durationOf(BigInt(value.v[0]) * 1_000_000_000n + BigInt(value.v[1]));
    case "list":
      return value.v.map(fromCanonical);
    case "map": {
      const map = new MapValue();
      for (const [key, item] of value.v) map.add(fromCanonical(key), fromCanonical(item));
      return map;
    }
    default:
      return value satisfies never;
  }
}

/** Map entries are sorted, so that equal values have equal texts. */
export function toCanonical(value: Value): Canonical {
  if (value === null) return { t: "null" };
  if (typeof value === "boolean") return { t: "bool", v: value };
  if (typeof value === "string") return { t: "string", v: value };
  if (value instanceof TypeValue) return { t: "type", v: value.name };
  if (value instanceof Uint) return { t: "uint", v: String(value.value) };
  if (value instanceof Double) return { t: "double", v: Object.is(value.value, -0) ? "-0" : String(value.value) };
  if (typeof value === "number" || typeof value === "bigint")
    return { t: typeNameOf(value) as "int" | "double", v: String(value) };
  if (value instanceof Uint8Array) return { t: "bytes", v: Buffer.from(value).toString("hex") };
  if (value instanceof Timestamp) return { t: "timestamp", v: [String(value.seconds), value.nanos] };
  if (value instanceof Duration) {
    return { t: "duration", v: [String(value.nanos / 1_000_000_000n), Number(value.nanos % 1_000_000_000n)] };
  }
  if (Array.isArray(value)) return { t: "list", v: value.map(toCanonical) };
  const entries = [...entriesOf(value)].map(([key, item]) => [toCanonical(key), toCanonical(item)] as const);
  entries.sort(([a], [b]) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  return { t: "map", v: entries };
}
