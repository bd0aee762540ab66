// The other engine, @bufbuild/cel, and what of its answers is known to differ.
import {
  type CelInput,
  celEnv,
  isCelError,
  isCelList,
  isCelMap,
  isCelType,
  isCelUint,
  parse,
  plan,
} from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import { entriesOf } from "../src/cel/compare.ts";
import { Double, Duration, Optional, Timestamp, TypeValue, Uint, type Value } from "../src/cel/value.ts";

const ENV = celEnv({ funcs: strings });

/** What an engine made of an expression, as text: the same for equal values; `error` for any error. */
export function oracle(text: string, facts: Readonly<Record<string, unknown>>): string {
  try {
    const value = plan(ENV, parse(text))(facts as Record<string, CelInput>);
    return isCelError(value) ? "error" : show(value);
  } catch {
    return "error";
  }
}

function show(value: unknown): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "bigint":
      return `int ${value}`;
    case "number":
      return `double ${Object.is(value, -0) ? "-0" : value}`;
    case "string":
      return `string ${JSON.stringify(value)}`;
    case "boolean":
      return `bool ${value}`;
    default:
      break;
  }
  if (isCelUint(value)) return `uint ${value.value}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (isCelList(value)) return `[${[...value].map(show).join(", ")}]`;
  if (isCelMap(value))
    return `{${[...value]
      .map(([k, v]) => `${show(k)}: ${show(v)}`)
      .sort()
      .join(", ")}}`;
  if (isCelType(value)) return `type ${value.name}`;
  const message = value as {
    readonly desc?: { readonly typeName: string };
    readonly message?: { readonly seconds: bigint; readonly nanos: number };
  };
  const { seconds = 0n, nanos = 0 } = message.message ?? {};
  if (message.desc?.typeName.endsWith("Timestamp")) return `timestamp ${seconds} ${nanos}`;
  if (message.desc?.typeName.endsWith("Duration")) return `duration ${seconds * 1_000_000_000n + BigInt(nanos)}`;
  return `unknown ${typeof value}`;
}

/** The same text for a value of ours. */
export function showOurs(value: Value): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return `bool ${value}`;
  if (typeof value === "string") return `string ${JSON.stringify(value)}`;
  if (typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))) return `int ${value}`;
  if (typeof value === "number") return `double ${value}`;
  if (value instanceof Double) return `double ${Object.is(value.value, -0) ? "-0" : value.value}`;
  if (value instanceof Uint) return `uint ${value.value}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (value instanceof Timestamp) return `timestamp ${value.seconds} ${value.nanos}`;
  if (value instanceof Duration) return `duration ${value.nanos}`;
  if (value instanceof TypeValue) return `type ${value.name}`;
  if (value instanceof Optional) return "optional";
  if (Array.isArray(value)) return `[${(value as readonly Value[]).map(showOurs).join(", ")}]`;
  const entries = [...entriesOf(value)].map(([k, v]) => `${showOurs(k)}: ${showOurs(v)}`);
  return `{${entries.sort().join(", ")}}`;
}

/** Differences that are the oracle's own, each with what the language says. `fits` looks at the expression and both answers. */
export const KNOWN_DIFFERENCES: readonly {
  readonly why: string;
  readonly fits: (text: string, ours: string, theirs: string) => boolean;
}[] = [
  {
    why: "double() of a text that is no number is an error; the oracle gives NaN, or 0 for an empty text",
    fits: (text) => text.includes("double("),
  },
  { why: "int() and uint() of an empty text are an error; the oracle gives 0", fits: (text) => text.includes("int(") },
  {
    why: "positions in a string count code points; the oracle counts UTF-16 units",
    fits: (text) => text.includes("U0001F600"),
  },
  {
    why: "a fraction of a second has as many digits as it needs; the oracle pads it to three",
    fits: (text) => text.includes("string(") && /duration|timestamp/.test(text),
  },
  {
    why: "has() of a field of a number is an error; the oracle gives false",
    fits: (text) => text.includes("has(i.q)"),
  },
  {
    why: "a double cannot be a map's key; the oracle takes it as the integer it equals",
    fits: (text, ours) => ours === "error" && text.includes("{"),
  },
  {
    why: "a bool is no index of a list; the oracle takes it as 0 or 1",
    fits: (text, ours) => ours === "error" && text.includes("["),
  },
  {
    why: "the least int has no opposite; the oracle drops a double negation before it looks",
    fits: (text, ours) => ours === "error" && /-\(+-/.test(text) && text.includes("9223372036854775808"),
  },
  {
    why: "a value that cannot be a key is in no map; the oracle makes it an error",
    fits: (text, _, theirs) => text.includes(" in ") && theirs === "error",
  },
  {
    why: "the greatest uint can be divided; the oracle overflows",
    fits: (text, _, theirs) => text.includes("18446744073709551615u") && text.includes("/") && theirs === "error",
  },
  {
    why: "an int and a double compare as doubles, as in the language's own tests; the oracle compares beyond their precision",
    fits: (text) => text.includes("9007199254740993") && /\d\.\d|double/.test(text),
  },
];
