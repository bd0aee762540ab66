import type { Finding } from "./finding.ts";
import { grouped } from "./progress.ts";
import type { Report } from "./report.ts";

/** Findings that a person is shown; `--json` has more. */
const SHOWN = 20;

/** A report for a person. What comes from the ledger is written so that nothing in it can act on a terminal. */
export function renderReport(report: Report): string {
  const { counts, findings } = report;
  const lines: [string, string][] = [["ledger", report.file]];
  const row = (name: string, text: string): unknown => lines.push([name, text]);
  if (report.log !== undefined) row("log", report.log);
  if (report.head !== undefined) {
    const hashes = [
      [counts.archived, "archived"],
      [counts.deleted, "deleted"],
    ] as const;
    const gone = hashes.flatMap(([n, what]) => (n > 0 ? [`, and the hashes of ${grouped(n)} ${what} ones`] : []));
    row(
      "records",
      `${grouped(counts.records)}${gone.join("")}; ${grouped(counts.openIntents)} calls without an outcome`,
    );
    row(
      "beside",
      `${grouped(counts.checkpoints)} checkpoints, ${grouped(counts.tiles)} tiles, ${grouped(counts.payloads)} payloads (${opened(report)}), ${counts.seals} seals, ${counts.clocks} clock records`,
    );
    row("head", `${report.head.size} ${report.head.root}`);
  }
  if (report.key !== undefined)
    row("key", `${report.key.vkey} (${report.key.from === "given" ? "as given" : "the folder's own"})`);
  if (report.secondKey !== undefined)
    row("ML-DSA-44", `${report.secondKey.id} (${report.secondKey.from === "given" ? "as given" : "the ledger's own"})`);
  for (const { name, newest, covers, unproven } of report.anchors)
    row(
      "anchor",
      unproven
        ? `${name}: says that it has seen ${grouped(newest)} records; its signature was not checked`
        : `${name}: has seen ${grouped(newest)} records, agrees up to ${grouped(covers)}`,
    );
  for (const { anchor, size, agrees, by, at } of report.cosigned) {
    const who = by === undefined ? "by somebody who was not looked at" : `signed by \`${by}\` at ${at}`;
    row("witness", `${anchor}: ${grouped(size)} records ${who}${agrees ? "" : ", which the ledger does not have so"}`);
  }
  const parts = [aligned(lines)];

  if (findings.length > 0) {
    const total = Object.values(report.findingCounts).reduce((sum, count) => sum + count, 0);
    const sorted = [...findings].sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
    parts.push(
      aligned([["record", "problem"], ...sorted.slice(0, SHOWN).map((f): [string, string] => [place(f), f.problem])]),
    );
    if (total > SHOWN) parts.push(`and ${grouped(total - Math.min(SHOWN, findings.length))} more`);
  }
  if (report.unchecked.length > 0)
    parts.push(`not checked:\n${report.unchecked.map((text) => `  ${text}`).join("\n")}`);
  parts.push(
    aligned([
      [
        "integrity",
        {
          intact: "intact: what is here is as it was written",
          broken: "BROKEN",
          unknown: "UNKNOWN: not all could be read",
        }[report.integrity],
      ],
      ["completeness", completeness(report)],
    ]),
    conclusion(report),
  );
  return printable(parts.join("\n\n"));
}

function opened({ counts, unchecked }: Report): string {
  if (unchecked.some((text) => text.startsWith("whether payloads"))) return "not decrypted";
  return `${grouped(counts.opened)} decrypted, ${grouped(counts.shredded)} shredded`;
}

function completeness({ completeness, completeTo, counts }: Report): string {
  if (completeness === "incomplete") return "INCOMPLETE: something is gone";
  if (completeness === "unknown") return "unknown: no anchor vouches for it";
  const after = counts.records + counts.archived + counts.deleted - (completeTo ?? 0);
  return `complete up to record ${completeTo}${after > 0 ? `; no anchor has seen the ${grouped(after)} after it yet` : ""}`;
}

function conclusion({ verdict, first }: Report): string {
  if (verdict === "clean") return "clean";
  const where = first?.seq === undefined ? "" : `, first at record ${place(first)}`;
  return `${verdict.toUpperCase()}${where}: ${first?.problem ?? ""}`;
}

function place({ seq, to }: Finding): string {
  if (seq === undefined) return "-";
  return to === undefined ? String(seq) : `${seq}-${to}`;
}

function aligned(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join("\n");
}

/** Control characters, direction overrides and invisible marks as `\u{…}`; line ends are our own, and stay. */
function printable(text: string): string {
  return text.replaceAll(/[^\P{C}\n]|[\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
}
