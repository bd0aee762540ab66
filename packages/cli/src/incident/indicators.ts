import { hostOf, valuesInside } from "@callgate/policy";
import { isSink } from "./blast.ts";
import type { IncidentCall } from "./calls.ts";
import { scalarsOf, textsOf } from "./texts.ts";

export type IndicatorKind = "address" | "host" | "url" | "file" | "account";

/** Something that tells an incident from others: it is looked for in other sessions. */
export interface Indicator {
  readonly kind: IndicatorKind;
  /** Lower case, but for a file. */
  readonly value: string;
  /** Where it matters most: in the arguments of a sink, in other arguments, or in a result only. */
  readonly where: "sink" | "argument" | "result";
  /** The first records it stands in. */
  readonly seqs: readonly number[];
}

/** How many are looked for: those of sinks first, then those of other arguments, then those of untrusted results. */
const MAX_INDICATORS = 64;
const MAX_SEQS = 5;
const RANK = { sink: 0, argument: 1, result: 2 } as const;

/** The addresses, hosts, URLs, files and account numbers that a session named. */
export function indicatorsOf(calls: readonly IncidentCall[]): readonly Indicator[] {
  const found = new Map<string, { kind: IndicatorKind; where: Indicator["where"]; seqs: number[] }>();
  const note = (kind: IndicatorKind, value: string, where: Indicator["where"], seq: number): void => {
    const known = found.get(value);
    if (!known) {
      found.set(value, { kind, where, seqs: [seq] });
      return;
    }
    if (RANK[where] < RANK[known.where]) known.where = where;
    if (known.seqs.length < MAX_SEQS && !known.seqs.includes(seq)) known.seqs.push(seq);
  };
  for (const call of calls) {
    const { decided, outcome, args, result, labels } = call;
    if (decided && args !== undefined) {
      const where = isSink(call) ? "sink" : "argument";
      for (const { text } of scalarsOf(args)) {
        for (const [kind, value] of namedIn(text)) note(kind, value, where, decided.seq);
        if (isPath(text)) note("file", text, where, decided.seq);
      }
    }
    if (outcome && result !== undefined && labels.includes("untrusted"))
      for (const text of textsOf(result))
        for (const [kind, value] of namedIn(text)) note(kind, value, "result", outcome.seq);
  }
  return [...found]
    .map(([value, rest]): Indicator => ({ value, ...rest }))
    .sort((a, b) => RANK[a.where] - RANK[b.where])
    .slice(0, MAX_INDICATORS);
}

function* namedIn(text: string): Generator<[IndicatorKind, string]> {
  for (const value of valuesInside(text)) {
    if (value.includes("@")) yield ["address", value];
    else if (/^(?:[a-z][a-z0-9+.-]*:\/\/|www\.)|[a-z]\//.test(value)) {
      yield ["url", value];
      const host = hostOf(value);
      if (host !== undefined) yield ["host", host];
    } else if (hostOf(value) !== undefined) yield ["host", value];
    else yield ["account", value];
  }
}

/** A text that people write for a file: from a root, from here, or with a folder in it and an ending. */
function isPath(text: string): boolean {
  if (text.length < 4 || text.length > 400 || /[\n\r"<>|]|:\/\//.test(text)) return false;
  return /^(?:\/|~\/|\.{1,2}\/|[A-Za-z]:\\)\S/.test(text) || /^[^\s/]+(?:\/[^/\s]+)+\.\w{1,8}$/.test(text);
}
