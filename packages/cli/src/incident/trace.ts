import type { FlowFacts, Label } from "@callgate/core";
import { valuesInside } from "@callgate/policy";
import { mentions, type Scalar, textsOf } from "./texts.ts";

/** A value of a call's arguments and where it was seen before. */
export interface TracedValue {
  /** The argument, as in `to[0]`. */
  readonly argument: string;
  /** The value; a long one is cut. */
  readonly value: string;
  /** True for an address, host or account found inside a longer text. */
  readonly inside: boolean;
  /** As `origin(x)` gives them in a policy: `task`, `trusted`, `tool:mail__read`, `untrusted`, `model` ... */
  readonly origins: readonly string[];
  /** `flow`: the broker watched the session. `text`: it did not, and the value was looked for in the results kept. */
  readonly basis: "flow" | "text";
  /** The tools whose results had it, with the records of those in which its text stands, or of the only one that can be meant. */
  readonly from: readonly { readonly tool: string; readonly seqs: readonly number[] }[];
}

/** A text shorter than this says nothing about where it came from, unless it names something (an address, an account). */
const TELLING = 6;
const SHOWN = 200;
const MAX_VALUES = 64;

interface ReadText {
  readonly tool: string;
  readonly labels: readonly Label[];
  readonly seq: number;
  readonly texts: readonly string[];
}

/** The texts of results that the session has seen so far. */
export class ReadTexts {
  readonly #results: ReadText[] = [];

  add(tool: string, labels: readonly Label[], seq: number, payload: string): void {
    this.#results.push({ tool, labels, seq, texts: textsOf(payload).map((text) => text.toLowerCase()) });
  }

  /** The result of a tool, if there is only one so far. */
  only(tool: string): readonly number[] {
    const own = this.#results.filter((one) => one.tool === tool);
    return own.length === 1 ? own.map((one) => one.seq) : [];
  }

  /** The results in which a value stands. */
  with(value: string): readonly ReadText[] {
    const plain = value.toLowerCase();
    return this.#results.filter(({ texts }) => texts.some((text) => mentions(text, plain)));
  }
}

/** Where the values of some arguments came from: by the flow facts of the call, else by looking for them in what was read. */
export function traceValues(
  scalars: readonly Scalar[],
  flow: FlowFacts | undefined,
  seen: ReadTexts,
): readonly TracedValue[] {
  const traced: TracedValue[] = [];
  for (const { path, text } of scalars) {
    if (traced.length >= MAX_VALUES) break;
    const inner = (flow && own(flow.inside, text)) ?? valuesInside(text);
    traced.push(valueOf(path, text, false, flow, seen));
    for (const value of inner) if (value !== text.toLowerCase()) traced.push(valueOf(path, value, true, flow, seen));
  }
  return traced;
}

function valueOf(
  argument: string,
  text: string,
  inside: boolean,
  flow: FlowFacts | undefined,
  seen: ReadTexts,
): TracedValue {
  const holding = text.length < TELLING && !inside ? [] : seen.with(text);
  const known = flow && own(flow.origins, text);
  const value = text.length > SHOWN ? `${text.slice(0, SHOWN - 1)}…` : text;
  if (known) {
    const tools = known.flatMap((origin) => (origin.startsWith("tool:") ? [origin.slice("tool:".length)] : []));
    const from = tools.map((tool) => {
      const seqs = holding.filter((one) => one.tool === tool).map((one) => one.seq);
      // A part of the value was seen there, or it was written otherwise.
      return { tool, seqs: seqs.length > 0 ? seqs : seen.only(tool) };
    });
    return { argument, value, inside, origins: known, basis: "flow", from };
  }
  const tools = [...new Set(holding.map((one) => one.tool))];
  const origins = [...tools.map((tool) => `tool:${tool}`), ...new Set(holding.flatMap((one) => one.labels))].sort();
  const from = tools.map((tool) => ({ tool, seqs: holding.filter((one) => one.tool === tool).map((one) => one.seq) }));
  return { argument, value, inside, origins, basis: "text", from };
}

/** A key of a map that others filled: `constructor` is a value like any other. */
function own(map: Readonly<Record<string, readonly string[]>>, key: string): readonly string[] | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
