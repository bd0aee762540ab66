import { printable } from "@callgate/gateway";
import { table } from "../output.ts";
import type { Activity, Counts, Statistics } from "../statistics.ts";
import { shortText } from "./json.ts";
import { counted } from "./progress.ts";

const BARS = "▁▂▃▄▅▆▇█";
const HOUR = 3_600_000;
/** Widths of a bar of the sparkline, in hours. */
const STEPS = [1, 2, 3, 6, 12, 24, 48, 168, 336, 720, 2160, 8760];
const NAME = 40;

/** Statistics for people, fitted to a terminal of so many characters. Safe to print. */
export function statisticsLines(s: Statistics, width: number): string[] {
  if (s.records === 0) return ["no record matches"];
  const part = s.calls === 0 ? "" : ` (${((100 * s.denied) / s.calls).toFixed(1)} %)`;
  return [
    `${counted(s.records)} records, ${s.from} to ${s.to}`,
    `${counted(s.calls)} calls: ${counted(s.run)} run, ${counted(s.denied)} denied${part}; ${counted(s.held)} held`,
    ...(s.statuses.length > 0
      ? [`ended: ${s.statuses.map(({ name, count }) => `${printable(name)} ${counted(count)}`).join(", ")}`]
      : []),
    ...sparkline(s, width),
    ...section("denied most, by tool", countTable(s.deniedTools, "tool", "denials")),
    ...section("denied most, by rule", countTable(s.deniedRules, "rule", "denials")),
    ...section(
      "slowest tools",
      s.tools.length > 0
        ? table(
            ["tool", "calls", "p50 ms", "p95 ms", "max ms"],
            s.tools.map((t) => [name(t.tool), counted(t.calls), ms(t.p50), ms(t.p95), ms(t.max)]),
          )
        : undefined,
    ),
    ...section("costliest sessions", activityTable(s.sessions, "session")),
    ...section("busiest agents", activityTable(s.agents, "agent")),
    ...section("errors", countTable(s.errors, "code", "records")),
  ];
}

/** Calls over time, one character for each stretch of it. */
function sparkline({ hours }: Statistics, width: number): string[] {
  const [first, last] = [hours[0], hours.at(-1)];
  if (!first || !last) return [];
  const start = Date.parse(first.hour);
  const span = (Date.parse(last.hour) - start) / HOUR + 1;
  const room = Math.max(10, Math.min(width, 100) - 20);
  const step = STEPS.find((s) => Math.ceil(span / s) <= room) ?? Math.ceil(span / room);
  const calls = new Array<number>(Math.ceil(span / step)).fill(0);
  for (const { hour, calls: n } of hours) {
    const i = Math.floor((Date.parse(hour) - start) / HOUR / step);
    calls[i] = (calls[i] ?? 0) + n;
  }
  const most = Math.max(...calls);
  const bars = calls.map((n) => (n === 0 ? " " : BARS[Math.min(7, Math.floor((n / most) * 8))])).join("");
  const unit = step === 1 ? "an hour" : step % 24 === 0 ? `in ${step / 24} d` : `in ${step} h`;
  return [`calls ${unit}: |${bars}| at most ${counted(most)}`];
}

function section(title: string, text: string | undefined): string[] {
  return text === undefined ? [] : ["", title, ...text.split("\n").map((line) => `  ${line}`)];
}

function countTable(counts: Counts, what: string, head: string): string | undefined {
  if (counts.length === 0) return undefined;
  return table(
    [what, head],
    counts.map((c) => [name(c.name), counted(c.count)]),
  );
}

function activityTable(list: readonly Activity[], what: "session" | "agent"): string | undefined {
  if (list.length === 0) return undefined;
  const session = what === "session";
  return table(
    [what, ...(session ? ["agent"] : []), "calls", "denied", "errors", "time ms", ...(session ? ["cost"] : [])],
    list.map((a) => [
      name(a.name),
      ...(session ? [name(a.agent ?? "-")] : []),
      counted(a.calls),
      counted(a.denied),
      counted(a.errors),
      ms(a.ms),
      ...(session ? [a.cost === undefined ? "-" : counted(a.cost)] : []),
    ]),
  );
}

function name(text: string): string {
  return shortText(text, NAME);
}

function ms(value: number): string {
  return counted(Math.round(value));
}
