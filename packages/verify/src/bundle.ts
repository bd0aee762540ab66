import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { bundleAnchors } from "./bundle-anchors.ts";
import { BUNDLE, checkFiles, type Manifest, readManifest } from "./bundle-manifest.ts";
import { checkPayloads, type PayloadCounts } from "./bundle-payloads.ts";
import { checkRecords } from "./bundle-records.ts";
import { witnessKeysOf } from "./cosigned.ts";
import { type Finding, Findings } from "./finding.ts";
import type { AnchorReport } from "./judge.ts";
import { checkGivenSecond, type FoundKey } from "./key.ts";
import { type Checkpoint, type NoteKey, openNote, parseNoteKey } from "./note.ts";
import { firstOf, VERDICTS, type Verdict, verdictOf } from "./report.ts";

/** What was found of an evidence bundle. The shape is stable: `v` changes with it. */
export interface BundleReport {
  readonly v: 1;
  readonly verdict: Verdict;
  /** 0 clean, 1 tampered, 2 incomplete, 3 unreadable. */
  readonly exitCode: number;
  readonly bundle: string;
  readonly log?: string;
  /** What the bundle says it is of, as in `session "ses_1"`, and when it was made. */
  readonly of?: string;
  readonly made?: string;
  readonly first?: Finding;
  readonly findings: readonly Finding[];
  readonly findingCounts: Readonly<Record<string, number>>;
  /** The tree that every record was proved to be in. */
  readonly head?: { readonly size: number; readonly root: string };
  readonly key?: { readonly vkey: string; readonly from: "given" | "bundle" };
  readonly anchors: readonly AnchorReport[];
  readonly counts: PayloadCounts & { readonly files: number; readonly records: number };
  /** What was not looked at, or cannot be known from a bundle. */
  readonly unchecked: readonly string[];
}

export interface BundleOptions {
  /** The folder of the bundle. */
  readonly bundle: string;
  /** The log's verifier key, or a file that holds it. Without one the bundle's own is used, which vouches for nothing. */
  readonly vkey?: string;
  /** Its verifier key of ML-DSA-44, or a file that holds it: the checkpoint MUST be signed by that too. */
  readonly secondVkey?: string;
  /** Verifier keys of witnesses, or files that hold one each. */
  readonly witnessKeys?: readonly string[];
}

const NOTHING = { files: 0, records: 0, payloads: 0, opened: 0, shredded: 0, withheld: 0, missing: 0 } as const;

/**
 * Checks an evidence bundle with nothing but what is in it (and the key that was given); changes nothing. What is wrong with it, or
 * that it cannot be read, is in the report. Throws only what is a fault of this program.
 */
export function verifyBundle(options: BundleOptions): BundleReport {
  const folder = resolve(options.bundle);
  const findings = new Findings();
  const unchecked: string[] = [];
  const done = (more: Partial<BundleReport> = {}): BundleReport => {
    const verdict = verdictOf(findings.list);
    const first = firstOf(findings.list);
    return {
      v: 1,
      verdict,
      exitCode: VERDICTS.indexOf(verdict),
      bundle: folder,
      ...(first !== undefined && { first }),
      findings: findings.list,
      findingCounts: Object.fromEntries(findings.counts),
      anchors: [],
      counts: NOTHING,
      unchecked,
      ...more,
    };
  };
  const manifest = readManifest(folder, findings);
  if (manifest === undefined) return done();
  const found = keyOf(folder, options.vkey, `callgate/${manifest.log}`, findings);
  if (found === undefined) return done({ log: manifest.log });
  if (found.from === "folder")
    unchecked.push("whose key it is: it is from the bundle itself; give the one you know with --vkey");
  checkManifest(manifest, found.key, findings);
  const texts = checkFiles(folder, manifest, findings);
  const { log, of, made } = manifest;
  const told = {
    log,
    of,
    made,
    key: { vkey: found.key.text, from: found.from === "given" ? "given" : "bundle" },
  } as const;

  const checkpoint = checkpointOf(texts.get("checkpoint.note"), manifest, found.key, options.secondVkey, findings);
  if (checkpoint === undefined) return done(told);
  const leaves = checkRecords(texts.get("records.jsonl") ?? "", log, checkpoint, findings);
  if (leaves.size !== manifest.records)
    findings.add(
      "completeness",
      "records",
      `the bundle says that it has ${manifest.records} records and has ${leaves.size}`,
    );
  const payloads = checkPayloads(
    texts.get("payloads.jsonl") ?? "",
    texts.get("keys.json") ?? "{}",
    leaves,
    log,
    findings,
  );
  const anchors = bundleAnchors(
    texts.get("anchors.jsonl") ?? "",
    checkpoint,
    found.key,
    witnessKeysOf(options.witnessKeys),
    findings,
    unchecked,
  );
  if (anchors.length === 0)
    unchecked.push("whether the log was rewritten before the bundle was made: it names no anchor");
  unchecked.push(
    `whether the ledger has more records of ${of}: whoever made the bundle chose them, and signed for that`,
  );
  return done({
    ...told,
    head: { size: checkpoint.size, root: checkpoint.root.toString("base64") },
    anchors,
    counts: { ...payloads, files: manifest.files.length, records: leaves.size },
  });
}

function keyOf(folder: string, given: string | undefined, name: string, findings: Findings): FoundKey | undefined {
  const own = parseNoteKey(textOf(join(folder, "ledger.vkey")) ?? "");
  if (own === undefined) findings.add("integrity", "key", "the bundle's `ledger.vkey` is not a verifier key");
  else if (own.name !== name) findings.add("integrity", "key", `the bundle's key is one of \`${own.name}\``);
  if (given === undefined) return own && { key: own, from: "folder" };
  const key = parseNoteKey(textOf(given) ?? given);
  if (key === undefined) findings.add("unreadable", "key", "the given key is not a verifier key");
  else if (own !== undefined && own.text !== key.text)
    findings.add("integrity", "key", "the bundle's key is not the one that was given: somebody else signed it");
  return key && { key, from: "given" };
}

function checkManifest(manifest: Manifest, key: NoteKey, findings: Findings): void {
  const signed = manifest.signedBy(key);
  if (signed === "yes") return;
  const problem = signed === "no" ? "the manifest is not signed by the log's key" : "the manifest's signature is wrong";
  findings.add("integrity", "manifest-signature", problem);
}

function checkpointOf(
  note: string | undefined,
  manifest: Manifest,
  key: NoteKey,
  secondVkey: string | undefined,
  findings: Findings,
): Checkpoint | undefined {
  // That it is missing was found with the files.
  if (note === undefined) return undefined;
  const opened = openNote(note, key);
  if ("problem" in opened) {
    findings.add("integrity", "checkpoint-form", `the checkpoint: ${opened.problem}`);
    return undefined;
  }
  const { checkpoint, signed } = opened;
  if (signed !== "yes")
    findings.add("integrity", "checkpoint-signature", "the checkpoint is not signed by the log's key");
  if (secondVkey !== undefined) checkGivenSecond(note, secondVkey, findings);
  if (checkpoint.origin !== `callgate/${manifest.log}`)
    findings.add("integrity", "log", `the checkpoint is one of \`${checkpoint.origin}\``);
  if (checkpoint.size !== manifest.size)
    findings.add(
      "integrity",
      "checkpoint-form",
      `the checkpoint is of ${checkpoint.size} records, not ${manifest.size}`,
    );
  return checkpoint;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** A report on a bundle for a person. */
export function renderBundleReport(report: BundleReport): string {
  const { counts, findings, first } = report;
  const lines = [
    `bundle    ${report.bundle}`,
    ...(report.log === undefined ? [] : [`log       ${report.log}`]),
    ...(report.of === undefined ? [] : [`of        ${report.of}, made ${report.made}`]),
    `holds     ${counts.records} records, ${counts.payloads} payloads (${counts.opened} opened, ${counts.shredded} shredded, ${counts.withheld} withheld, ${counts.missing} not kept)`,
    ...(report.head === undefined ? [] : [`head      ${report.head.size} ${report.head.root}`]),
    ...(report.key === undefined
      ? []
      : [`key       ${report.key.vkey} (${report.key.from === "given" ? "as given" : "the bundle's own"})`]),
    ...report.anchors.map(
      ({ name, covers, by, at }) =>
        `anchor    ${name}: agrees up to record ${covers}${by === undefined ? "" : `, signed by \`${by}\` at ${at}`}`,
    ),
    ...findings.slice(0, 20).map(({ seq, problem }) => `record ${seq ?? "-"}  ${problem}`),
    ...(findings.length > 20 ? [`and ${findings.length - 20} more`] : []),
    ...(report.unchecked.length === 0 ? [] : ["not checked:", ...report.unchecked.map((text) => `  ${text}`)]),
    report.verdict === "clean"
      ? `clean (${BUNDLE})`
      : `${report.verdict.toUpperCase()}${first?.seq === undefined ? "" : `, first at record ${first.seq}`}: ${first?.problem ?? ""}`,
  ];
  return lines
    .map((line) => line.replaceAll(/\p{C}|[\u2028\u2029]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`))
    .join("\n");
}
