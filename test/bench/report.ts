import { cpus, platform, release } from "node:os";
import type { Cell, Endurance } from "./measure.ts";
import type { Latency, Spread } from "./stats.ts";
import type { StdioCell } from "./stdio-measure.ts";

/** Everything that one run of the bench found. Latencies and CPU in microseconds, memory in bytes. */
export interface BenchReport {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly os: string; readonly node: string };
  /** True for a smoke run: its figures say nothing. */
  readonly quick: boolean;
  /** Appends with fdatasync on the ledger's disk, before, between and after the rounds. */
  readonly fsync: readonly Latency[];
  readonly cells: readonly Cell[];
  readonly stdio: readonly StdioCell[];
  readonly endurance: Endurance | undefined;
  /** Resident memory before the first call, by route. */
  readonly startRss: { readonly [route: string]: number | undefined };
  /** Ledger bytes a governed call, payloads included. */
  readonly ledgerBytesACall: number | undefined;
  readonly aims: readonly Verdict[];
}

/** One of the figures that the broker is held to. */
export interface Verdict {
  readonly what: string;
  readonly aim: string;
  readonly found: string;
  readonly met: boolean;
}

export function machine(): BenchReport["machine"] {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    os: `${platform()} ${release()}`,
    node: process.version,
  };
}

function whole(value: number | undefined): string {
  return value === undefined ? "-" : Math.round(value).toLocaleString("en-US");
}

function signed(value: number | undefined): string {
  return value === undefined ? "-" : `${value < 0 ? "-" : "+"}${whole(Math.abs(value))}`;
}

function percent(share: Spread | undefined): string {
  if (share === undefined) return "-";
  const text = (value: number) => Math.round(value * 100);
  return `${text(share.median)}% (${text(share.min)}-${text(share.max)})`;
}

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? "-" : `${(bytes / 1e6).toFixed(0)}`;
}

interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function tables(report: BenchReport): readonly Table[] {
  const { cells, stdio, endurance } = report;
  const latency = cells.filter((cell) => cell.concurrency === 1);
  const throughput = cells.filter((cell) => cell.concurrency > 1);
  const all: Table[] = [
    {
      title: "Latency over HTTP, one call in flight (us)",
      head: ["era", "route", "p50", "p90", "p99", "max", "added p50", "added p99", "CPU/call", "calls"],
      rows: latency.map((c) => [
        c.era,
        c.route,
        ...[c.p50, c.p90, c.p99, c.max].map(whole),
        signed(c.addedP50),
        signed(c.addedP99),
        whole(c.cpu),
        whole(c.calls),
      ]),
    },
    {
      title: "Throughput over HTTP (calls a second; latency and CPU in us; memory in MB)",
      head: ["era", "in flight", "route", "calls/s", "range", "of direct", "p50", "p99", "CPU/call", "load CPU", "RSS"],
      rows: throughput.map((c) => [
        c.era,
        String(c.concurrency),
        c.route,
        whole(c.perSecond.median),
        `${whole(c.perSecond.min)}-${whole(c.perSecond.max)}`,
        percent(c.share),
        whole(c.p50),
        whole(c.p99),
        whole(c.cpu),
        whole(c.loadCpu),
        megabytes(c.rss),
      ]),
    },
    {
      title: "Latency over stdio, one call in flight (us)",
      head: ["era", "route", "p50", "p99", "added p50", "calls"],
      rows: stdio.map((c) => [c.era, c.route, whole(c.p50), whole(c.p99), signed(c.addedP50), whole(c.calls)]),
    },
    {
      title: "Append and fdatasync on the ledger's disk (us)",
      head: ["when", "p50", "p90", "p99", "max"],
      rows: report.fsync.map((f, i) => [`sample ${i + 1}`, ...[f.p50, f.p90, f.p99, f.max].map(whole)]),
    },
    {
      title: "Memory before the first call (MB)",
      head: ["route", "RSS"],
      rows: Object.entries(report.startRss).map(([route, bytes]) => [route, megabytes(bytes)]),
    },
  ];
  if (endurance) {
    all.push({
      title: `Memory over ${whole(endurance.calls)} governed calls at ${whole(endurance.perSecond)}/s (MB)`,
      head: endurance.rss.map((_, i) => whole((endurance.calls / Math.max(1, endurance.rss.length - 1)) * i)),
      rows: [endurance.rss.map(megabytes)],
    });
  }
  all.push({
    title: "Aims",
    head: ["what", "aim", "found", ""],
    rows: report.aims.map((a) => [a.what, a.aim, a.found, a.met ? "met" : "MISSED"]),
  });
  return all.filter((table) => table.rows.length > 0);
}

function preface(report: BenchReport): string {
  const { cpu, cores, os, node } = report.machine;
  const ledger =
    report.ledgerBytesACall === undefined ? "" : ` The ledger grew ${whole(report.ledgerBytesACall)} bytes a call.`;
  const warning = report.quick ? " A smoke run: its answers were checked, its figures say nothing." : "";
  return `${cores} cores of ${cpu}, ${os}, Node ${node}.${ledger}${warning}`;
}

/** The report for a terminal. */
export function textOf(report: BenchReport): string {
  const parts = tables(report).map(({ title, head, rows }) => {
    const widths = head.map((name, i) => Math.max(name.length, ...rows.map((row) => (row[i] ?? "").length)));
    const line = (row: readonly string[]) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd();
    return [title, line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
  });
  return [preface(report), ...parts].join("\n\n");
}

/** The report as Markdown, to stand between the marks in docs/performance.md. */
export function markdownOf(report: BenchReport): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const parts = tables(report).map(({ title, head, rows }) =>
    [`### ${title}`, "", line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n"),
  );
  return [preface(report), ...parts].join("\n\n");
}
