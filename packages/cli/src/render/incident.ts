import { printable } from "@callgate/gateway";
import type { BlastRadius, Sink } from "../incident/blast.ts";
import type { Counterfactual, DecidedAgain } from "../incident/counterfactual.ts";
import type { Incident, StoppedCall } from "../incident/incident.ts";
import type { Related } from "../incident/related.ts";
import type { TracedValue } from "../incident/trace.ts";
import { shortText } from "./json.ts";
import { renderTimeline } from "./timeline.ts";

/** Of each list, so many lines are printed; `--json` has them all. */
const MOST = 50;
const VALUE = 80;

/** An incident for people, in sections. Safe to print. */
export function incidentLines(
  incident: Incident,
  payloadsOf: (seq: number) => Readonly<Record<string, string>>,
): string[] {
  const { records, truncated, focus, blast, stopped, counterfactual, related } = incident;
  return [
    renderTimeline(records, payloadsOf),
    ...(truncated ? [`only the first ${records.length} records of the session are shown`] : []),
    ...(focus === undefined ? [] : ["", `asked about: ${focusText(incident, focus)}`]),
    ...section(
      "labelled data that was read",
      blast.reads.map((read) => `  #${read.seq}  ${printable(read.tool)}: ${read.labels.join(", ")}`),
    ),
    ...section("sinks reached afterwards", blast.reached.flatMap(sinkLines)),
    ...section("sinks tried and stopped", blast.stopped.flatMap(sinkLines)),
    ...section("what went where, by origin", originLines(blast)),
    ...section("denied or held", stopped.map(stoppedLine)),
    ...counterfactualLines(counterfactual),
    ...relatedLines(related),
  ];
}

function section(title: string, lines: readonly string[]): string[] {
  const shown = lines.length > MOST ? [...lines.slice(0, MOST), `  and ${lines.length - MOST} more lines`] : lines;
  return ["", `== ${title}`, ...(shown.length === 0 ? ["  none"] : shown)];
}

function focusText({ calls }: Incident, focus: string): string {
  const call = calls.find((one) => one.call === focus);
  if (!call) return printable(focus);
  return `${printable(call.tool)} ${call.records.map(({ seq }) => `#${seq}`).join(" ")}, ${call.ending}`;
}

function sinkLines(sink: Sink): string[] {
  const { seq, tool, effects, ending, status, labels, action, values, readable } = sink;
  const end = ending === "ran" ? (status ?? "no outcome") : ending;
  const asked = action === undefined ? "" : `; ${ACTIONS[action]}`;
  return [
    `  #${seq}  ${printable(tool)} (${effects.join(", ")}) -> ${end}; the session had read ${labels.join(", ")}${asked}`,
    ...(readable
      ? values.map((value) => `        ${valueText(value)}`)
      : ["        its arguments were not kept, or were shredded"]),
  ];
}

const ACTIONS = {
  task: "the task asks for this kind of act",
  untrusted: "untrusted text alone asks for this kind of act",
  model: "nobody but the model asked for this kind of act",
} as const;

function valueText({ argument, value, inside, origins, basis, from }: TracedValue): string {
  const name = `${shortText(argument === "" ? "(the arguments)" : argument, 40)}${inside ? " has" : " ="}`;
  const marks = origins.filter((origin) => !origin.startsWith("tool:"));
  const sources = from.map(({ tool, seqs }) =>
    [printable(tool), ...seqs.slice(0, 5).map((seq) => `#${seq}`)].join(" "),
  );
  const told = [
    ...sources,
    ...(marks.length === 0 ? [] : [sources.length === 0 ? marks.join(", ") : `(${marks.map(printable).join(", ")})`]),
  ];
  const where = told.length === 0 ? "not seen in what the session had read" : `from ${told.join(" ")}`;
  return `${name} ${shortText(JSON.stringify(value), VALUE)}  ${where}${basis === "text" && told.length > 0 ? " by its text" : ""}`;
}

function originLines({ byOrigin }: BlastRadius): string[] {
  return byOrigin.flatMap(({ tool, labels, reads, sinks }) => [
    `  ${printable(tool)}${labels.length === 0 ? "" : ` (${labels.join(", ")})`} ${reads.map((seq) => `#${seq}`).join(" ")}`.trimEnd(),
    ...sinks.map(
      (sink) =>
        `        -> #${sink.seq} ${printable(sink.tool)}, ${sink.ending}: ${sink.values
          .slice(0, 5)
          .map((value) => shortText(value, VALUE))
          .join(" | ")}`,
    ),
  ]);
}

function stoppedLine({ seq, tool, ending, rules, message }: StoppedCall): string {
  const why = message === undefined ? "" : `: ${shortText(message, 120)}`;
  return `  #${seq}  ${printable(tool)} ${ending}${rules.length === 0 ? "" : ` by ${rules.map(printable).join(", ")}`}${why}`;
}

function counterfactualLines(counterfactual: Counterfactual): string[] {
  const title = "what today's policies would do";
  if (!counterfactual.available) return section(title, [`  not known: ${printable(counterfactual.reason)}`]);
  const { decided, refused, unreplayable, policies } = counterfactual;
  const changed = decided.filter((one) => one.changed);
  const parts = [
    `${decided.length - changed.length} decided as then`,
    `${changed.length} otherwise`,
    ...(refused.length > 0 ? [`${refused.length} refused by the broker itself`] : []),
  ];
  return section(title, [
    `  ${parts.join(", ")} (policies ${policies.slice(0, 19)}…)`,
    ...changed.map(changedLine),
    ...unreplayable.map(
      ({ seq, tool, reason }) => `  #${seq}  ${printable(tool)} cannot be decided again: ${printable(reason)}`,
    ),
  ]);
}

function changedLine({ seq, tool, then, now }: DecidedAgain): string {
  const by = (rules: readonly string[]): string => (rules.length === 0 ? "" : ` by ${rules.map(printable).join(", ")}`);
  return `  #${seq}  ${printable(tool)}: ${VERDICTS[then.verdict]}${by(then.rules)} then, ${VERDICTS[now.verdict]}${by(now.rules)} now`;
}

const VERDICTS = { allow: "allowed", deny: "denied", hold: "held" } as const;

function relatedLines({ sessions, common, searched }: Related): string[] {
  const lines = sessions.flatMap(({ session, agent, from, to, indicators }) => [
    `  ${printable(session)}${agent === undefined ? "" : ` · agent ${printable(agent)}`} · ${from} to ${to}`,
    ...indicators.map(
      ({ kind, value, acted, seqs }) =>
        `        ${kind} ${shortText(value, VALUE)} ${seqs.map((seq) => `#${seq}`).join(" ")}${acted ? ", in a call that ran" : ""}`,
    ),
  ]);
  const { by, from, to, records, whole } = searched;
  const how = by === "index" ? `${records} records that the index of words names` : `records ${from} to ${to}`;
  const rest = whole ? "" : "; older ones were left out, see `--scan`";
  const everyday =
    common.length === 0 ? [] : [`  in too many sessions to tell: ${common.map((v) => shortText(v, VALUE)).join(", ")}`];
  return [...section("related sessions", lines), ...everyday, `  looked through ${how}${rest}`];
}
