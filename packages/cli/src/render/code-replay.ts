import { stringifyJson } from "@callgate/core";
import { printable } from "@callgate/gateway";
import type { RecordedRun, RunEnd } from "../code/recorded-run.ts";
import type { Decided, LeftCall, Replay } from "../code/replay.ts";
import type { Today } from "../incident/incident.ts";
import { table } from "../output.ts";
import { shortText } from "./json.ts";
import { toolName } from "./records.ts";

const ARGS = 48;
const TOOL = 40;
const SAID = 60;
const VALUE = 400;
const MOST_LOGS = 20;

/** A replay in lines that are safe to print. `file` is the script that ran in place of the recorded one. */
export function replayLines(run: RecordedRun, replay: Replay, today: Today, file: string | undefined): string[] {
  const { intent, seed, now, frozen } = run;
  const { calls, left, logs, script } = replay;
  const facts: [string, string][] = [
    ["call", `${intent.call} ${toolName(intent)} #${intent.seq} of agent ${intent.agent ?? "-"}, ${intent.ts}`],
    ["script", file === undefined ? "as recorded" : file],
    ["seed", seed === undefined ? "not on record: random numbers are others than then" : String(seed)],
    [
      "clock",
      `stopped at ${new Date(now).toISOString()}, ${frozen ? "as the agent asked" : "when the script started"}`,
    ],
    ["then", said(script.then)],
    ["now", "set" in today ? said(script.now) : `not known: ${today.missing}`],
  ];
  const rows = calls.map(({ tool, args, then, now: today_, from, lacks }, i) => [
    String(i + 1),
    shortText(tool, TOOL),
    shortText(stringifyJson(args) ?? "", ARGS),
    from ? said(then) : "-",
    from ? said(today_) : "-",
    from && lacks === undefined ? `#${from.seq}` : lacks === undefined ? "-" : `NOT_RECORDED: ${lacks}`,
  ]);
  return [
    ...facts.map(([name, text]) => `${name.padEnd(7)} ${shortText(text, 160)}`),
    "",
    calls.length === 0
      ? "the script made no call"
      : table(["", "tool", "arguments", "then", "now", "answered from"], rows),
    "",
    ...endLines(replay),
    ...callsLines(replay),
    ...todayLines(replay),
    ...left.map(leftLine),
    ...(logs.length === 0 ? [] : ["", "log", ...logLines(logs)]),
  ];
}

const VERDICTS = { allow: "allowed", deny: "denied", hold: "held" } as const;

function said(decided: Decided): string {
  if ("unknown" in decided) return shortText(`not known: ${decided.unknown}`, SAID);
  if ("refusedBy" in decided) return shortText(`refused by ${decided.refusedBy}`, SAID);
  const by = decided.rules.length === 0 ? "" : ` by ${decided.rules.join(", ")}`;
  return shortText(`${VERDICTS[decided.verdict]}${by}`, SAID);
}

function endLines({ recorded, end, same }: Replay): string[] {
  const line = `${"value" in end ? "value" : "error"}   ${endText(end)}`;
  if (same.value === true) return [`${line}  as recorded`];
  if (same.value === undefined) return [line, `then    not known: ${printable(endText(recorded))}`];
  return [line, `then    ${endText(recorded)}`];
}

function endText(end: RunEnd): string {
  if ("unknown" in end) return end.unknown;
  if ("error" in end) return shortText(`${end.error.code}: ${end.error.message}`, VALUE);
  return shortText(stringifyJson(end.value) ?? "", VALUE);
}

function callsLines({ calls, left, same }: Replay): string[] {
  if (same.calls) return ["calls   as recorded"];
  const lacking = calls.filter(({ lacks }) => lacks !== undefined).length;
  const gone = left.filter(({ earlier }) => !earlier).length;
  const parts = [
    ...(lacking > 0 ? [`${lacking} without a recorded answer`] : []),
    ...(gone > 0 ? [`${gone} of the record not made`] : []),
  ];
  return [`calls   ${parts.join(", ")}`];
}

/** Calls that today's policies decide otherwise. */
function todayLines({ calls }: Replay): string[] {
  const otherwise = calls.flatMap(({ then, now }, i) =>
    "verdict" in then && "verdict" in now && then.verdict !== now.verdict ? [i + 1] : [],
  );
  if (otherwise.length === 0) return [];
  return [`today   ${otherwise.length} of ${calls.length} decided otherwise: ${otherwise.join(", ")}`];
}

function leftLine({ seq, tool, args, earlier, lacks }: LeftCall): string {
  const what = `#${seq} ${shortText(tool, TOOL)} ${shortText(args ?? "", ARGS)}`.trimEnd();
  return `not made ${what}${earlier ? ", of the run before" : ""}${lacks === undefined ? "" : `: ${lacks}`}`;
}

function logLines(logs: readonly string[]): string[] {
  const shown = logs.slice(0, MOST_LOGS).map((line) => `  ${shortText(line, VALUE)}`);
  return logs.length > MOST_LOGS ? [...shown, `  and ${logs.length - MOST_LOGS} lines more`] : shown;
}
