import { CallgateError, type LedgerRecord } from "@callgate/core";
import type { Evidence, LedgerReader } from "@callgate/ledger";
import type { Report } from "@callgate/verify";
import type { AnchoredNote } from "./anchored.ts";
import { BundleFolder } from "./bundle-folder.ts";
import { bundleReadme } from "./bundle-readme.ts";
import type { Incident, Today } from "./incident.ts";
import { plainIncident } from "./plain.ts";
import { treeOf } from "./tree.ts";

/** What goes into a bundle beside the records. */
export interface Enclosed {
  readonly incident: Incident;
  readonly today: Today;
  /** The verifier's report on the whole ledger. */
  readonly report: Report;
  readonly anchors: readonly AnchoredNote[];
  /** Whether the texts of arguments and results go with it, and the key that opens them. */
  readonly payloads: boolean;
}

/** What was written. */
export interface Exported {
  readonly folder: string;
  readonly records: number;
  readonly payloads: number;
  readonly shredded: number;
}

/**
 * Writes an evidence bundle: the records of an incident, each proved to be in the newest checkpoint's tree, and all that is needed to check
 * that without the ledger. docs/incidents.md has its form. Throws `BAD_ARGUMENT` if there is something in the folder.
 */
export async function exportBundle(
  reader: LedgerReader,
  evidence: Evidence,
  out: string,
  enclosed: Enclosed,
): Promise<Exported> {
  const { incident, today, report, anchors, payloads } = enclosed;
  const folder = BundleFolder.make(out);
  const records = recordsOf(reader, incident).filter(({ seq }) => seq <= evidence.checkpoint.size);
  const counts = { payloads: 0, shredded: 0 };
  folder.write("ledger.vkey", [`${evidence.vkey}\n`]);
  folder.write("checkpoint.note", [evidence.checkpoint.note]);
  folder.write(
    "records.jsonl",
    records.map(({ seq }) => recordLine(evidence, seq)),
  );
  folder.write("payloads.jsonl", payloadLines(reader, evidence, records, payloads, counts));
  folder.write("keys.json", [`${JSON.stringify(payloads ? keysOf(evidence, records) : {})}\n`]);
  folder.write(
    "anchors.jsonl",
    anchors.map((anchor) => anchorLine(evidence, anchor)),
  );
  folder.write("policies.json", [`${JSON.stringify(policiesOf(records, today), null, 2)}\n`]);
  folder.write("report.json", [`${JSON.stringify(report, null, 2)}\n`]);
  // What is told of an incident is told from its payloads.
  if (payloads) folder.write("incident.json", [`${JSON.stringify(plainIncident(incident), null, 2)}\n`]);
  const of =
    incident.focus === undefined
      ? `session ${JSON.stringify(incident.session)}`
      : `call ${JSON.stringify(incident.focus)}`;
  folder.write("README.md", [bundleReadme({ of, log: reader.log, payloads, anchored: anchors.length > 0 })]);
  const head = [
    "callgate-bundle/1",
    `log ${reader.log}`,
    `made ${new Date().toISOString()}`,
    `of ${of}`,
    `records ${records.length}`,
    `checkpoint ${evidence.checkpoint.size}`,
  ];
  const note = evidence.signManifest(`${head.join("\n")}\n${folder.list()}`);
  folder.write("manifest.note", [note]);
  return { folder: folder.path, records: records.length, ...counts };
}

/** The records of the session, or those of the tree that the call is in; and what the broker said of itself when it started. Oldest first. */
function recordsOf(reader: LedgerReader, { session, focus, calls }: Incident): LedgerRecord[] {
  const own =
    focus === undefined
      ? [...reader.records({ session, order: "asc" })]
      : treeOf(focus, calls).flatMap(({ of }) => of.records);
  const boots = [...new Set(own.map(({ boot }) => boot))].map((is) => ({ is }));
  const starts = reader.records({ kind: ["boot"], terms: [{ field: "boot", any: boots }], order: "asc" });
  const all = new Map([...own, ...starts].map((record) => [record.seq, record]));
  return [...all.values()].sort((a, b) => a.seq - b.seq);
}

function recordLine(evidence: Evidence, seq: number): string {
  const found = evidence.record(seq);
  if (!found)
    throw new CallgateError("NO_RECORD", `record ${seq} is not in the ledger any more`, {
      help: "it was archived: export from where its segment still is",
    });
  const proof = found.proof.map((hash) => hash.toString("base64"));
  return `${JSON.stringify({ seq, leaf: found.leaf, proof })}\n`;
}

function* payloadLines(
  reader: LedgerReader,
  evidence: Evidence,
  records: readonly LedgerRecord[],
  open: boolean,
  counts: { payloads: number; shredded: number },
): Generator<string, void> {
  for (const { seq, args, result, detail } of records) {
    const texts = open ? (reader.show(seq)?.payloads ?? {}) : {};
    const sealed = new Map(evidence.sealed(seq).map(({ name, data }) => [name, data.toString("base64")]));
    const digests = { args, facts: detail?.["facts"], result };
    for (const [name, digest] of Object.entries(digests)) {
      // A keyed digest is that of something which was not kept.
      if (typeof digest !== "string" || !digest.startsWith("sha256:")) continue;
      const data = sealed.get(name);
      const text = texts[name];
      const state = data === undefined ? "missing" : !open ? "withheld" : text === undefined ? "shredded" : "open";
      counts.payloads++;
      if (state === "shredded") counts.shredded++;
      yield `${JSON.stringify({ seq, name, state, sealed: data, text })}\n`;
    }
  }
}

function keysOf(evidence: Evidence, records: readonly LedgerRecord[]): Record<string, string> {
  const sessions = new Set(records.flatMap(({ session }) => (session === undefined ? [] : [session])));
  return Object.fromEntries(
    [...sessions].flatMap((session) => {
      const key = evidence.payloadKey(session);
      return key === undefined ? [] : [[session, key.toString("base64")]];
    }),
  );
}

function anchorLine(evidence: Evidence, { anchor, size, note }: AnchoredNote): string {
  const proof = evidence.goesOnFrom(size).map((hash) => hash.toString("base64"));
  return `${JSON.stringify({ anchor, note, proof })}\n`;
}

/** Which policies decided, and what they are today. */
function policiesOf(records: readonly LedgerRecord[], today: Today): object {
  const then = Map.groupBy(
    records.filter(({ kind, decision }) => decision !== undefined && (kind === "intent" || kind === "denial")),
    ({ decision }) => decision?.policies ?? "",
  );
  return {
    then: [...then].map(([policies, decided]) => ({ policies, decided: decided.length })),
    now: "set" in today ? { policies: today.set.digest, files: today.sources } : { unknown: today.missing },
  };
}
