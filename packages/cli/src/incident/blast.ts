import type { Label, ToolEffect } from "@callgate/core";
import type { IncidentCall } from "./calls.ts";
import { type Scalar, scalarsOf } from "./texts.ts";
import { ReadTexts, type TracedValue, traceValues } from "./trace.ts";

/** A call whose result carried labels into the session. */
export interface LabelledRead {
  readonly seq: number;
  readonly call: string;
  readonly tool: string;
  readonly labels: readonly Label[];
  readonly time: string;
}

/** A call that can carry something out or destroy something. */
export interface Sink {
  readonly seq: number;
  readonly call: string;
  readonly tool: string;
  readonly effects: readonly ToolEffect[];
  readonly time: string;
  /** `ran`: it was reached. `denied`, `held`: it was tried, and stopped. */
  readonly ending: IncidentCall["ending"];
  readonly status: string | undefined;
  /** Labels that the session had by then. */
  readonly labels: readonly Label[];
  /** Who asked for this kind of act, where the flow was watched. */
  readonly action: "task" | "untrusted" | "model" | undefined;
  /** Where each value of its arguments came from; empty where the arguments cannot be read. */
  readonly values: readonly TracedValue[];
  readonly readable: boolean;
}

/** Sinks that values of one tool's results went to. */
export interface ByOrigin {
  readonly tool: string;
  readonly labels: readonly Label[];
  readonly reads: readonly number[];
  readonly sinks: readonly {
    readonly seq: number;
    readonly tool: string;
    readonly ending: IncidentCall["ending"];
    readonly values: readonly string[];
  }[];
}

export interface BlastRadius {
  readonly reads: readonly LabelledRead[];
  /** Sinks after the first labelled read that ran. */
  readonly reached: readonly Sink[];
  /** Sinks after the first labelled read that were denied or held. */
  readonly stopped: readonly Sink[];
  readonly byOrigin: readonly ByOrigin[];
}

/** What labelled data was read in a session, where it could go from then on, and which values went from where to where. */
export function blastRadius(calls: readonly IncidentCall[]): BlastRadius {
  const reads: LabelledRead[] = [];
  const sinks: Sink[] = [];
  const seen = new ReadTexts();
  const labels = new Set<Label>();
  for (const call of calls) {
    const [first] = call.records;
    if (!first) continue;
    // The session's labels are the call's own business only until it ran: what it read comes after.
    for (const label of call.sessionLabels ?? []) labels.add(label);
    if (labels.size > 0 && isSink(call)) sinks.push(sinkOf(call, [...labels], seen));
    if (call.ending !== "ran") continue;
    if (call.result !== undefined && call.outcome) seen.add(call.tool, call.labels, call.outcome.seq, call.result);
    if (call.labels.length === 0) continue;
    for (const label of call.labels) labels.add(label);
    reads.push({ seq: first.seq, call: call.call, tool: call.tool, labels: call.labels, time: first.ts });
  }
  return {
    reads,
    reached: sinks.filter((sink) => sink.ending === "ran"),
    stopped: sinks.filter((sink) => sink.ending !== "ran"),
    byOrigin: byOrigin(sinks, reads),
  };
}

/** A read of the outside world takes something out only in its arguments: one without any is no sink. */
export function isSink(call: IncidentCall): boolean {
  if (call.effects.includes("destructive")) return true;
  if (!call.effects.includes("external")) return false;
  return call.effects.includes("write") || call.args === undefined || scalarsOf(call.args).length > 0;
}

function sinkOf(call: IncidentCall, labels: readonly Label[], seen: ReadTexts): Sink {
  const first = call.records[0] as IncidentCall["records"][number];
  const scalars: readonly Scalar[] = call.args === undefined ? [] : scalarsOf(call.args);
  return {
    seq: call.decided?.seq ?? first.seq,
    call: call.call,
    tool: call.tool,
    effects: call.effects,
    time: first.ts,
    ending: call.ending,
    status: call.outcome?.status,
    labels,
    action: call.flow?.action,
    values: traceValues(scalars, call.flow, seen),
    readable: call.args !== undefined,
  };
}

function byOrigin(sinks: readonly Sink[], reads: readonly LabelledRead[]): ByOrigin[] {
  const found = new Map<string, Map<number, { readonly sink: Sink; readonly values: Set<string> }>>();
  for (const sink of sinks)
    for (const value of sink.values)
      for (const { tool } of value.from) {
        const of = found.get(tool) ?? new Map<number, { readonly sink: Sink; readonly values: Set<string> }>();
        found.set(tool, of);
        const entry = of.get(sink.seq) ?? { sink, values: new Set<string>() };
        of.set(sink.seq, entry);
        entry.values.add(value.value);
      }
  return [...found].map(([tool, of]) => {
    const own = reads.filter((read) => read.tool === tool);
    return {
      tool,
      labels: [...new Set(own.flatMap((read) => read.labels))],
      reads: own.map((read) => read.seq),
      sinks: [...of.values()].map(({ sink, values }) => ({
        seq: sink.seq,
        tool: sink.tool,
        ending: sink.ending,
        values: [...values],
      })),
    };
  });
}
