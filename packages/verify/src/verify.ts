import { availableParallelism } from "node:os";
import type { Anchor } from "./anchor.ts";
import { readAnchors } from "./anchors.ts";
import { judgeCosigned, readCosigned, witnessKeysOf } from "./cosigned.ts";
import { addReadingProblem } from "./database.ts";
import { isEncrypted } from "./encrypted.ts";
import { Findings } from "./finding.ts";
import { judgeAnchor } from "./judge.ts";
import { checkSecondSignature, findKey, findSecondKey } from "./key.ts";
import { ledgerFile, openLedgerFile } from "./opening.ts";
import type { VerifyOptions } from "./options.ts";
import { readPayloadKeys } from "./payload-keys.ts";
import { RANGE, type RangeContext } from "./range.ts";
import { checkEnds, checkRecords } from "./records.ts";
import { firstOf, NO_COUNTS, type Report, VERDICTS, verdictOf } from "./report.ts";
import { checkSchema } from "./schema.ts";
import { checkArchived, checkSeals, checkShredded, parseSeals } from "./seal.ts";
import { checkSegments, findSegments } from "./segments.ts";
import { takeSnapshot } from "./snapshot.ts";
import { MOVED, oldestIn } from "./source.ts";
import { checkTiles } from "./tiles.ts";

/** How often a ledger is looked at anew from which a segment was taken out meanwhile. */
const AGAIN = 10;

/** A ledger with fewer records is checked sooner than threads are started. */
const SMALL = 4 * RANGE;

/**
 * Checks a ledger; changes nothing. What is wrong with it, or that it cannot be read, is in the report. Throws only what is a
 * fault of this program.
 */
export async function verifyLedger(options: VerifyOptions, again: number = AGAIN): Promise<Report> {
  const started = performance.now();
  const findings = new Findings();
  const unchecked: string[] = [];
  const file = ledgerFile(options.ledger);
  const report = (more: Partial<Report>): Report => {
    const verdict = verdictOf(findings.list);
    const first = firstOf(findings.list);
    return {
      v: 1,
      verdict,
      exitCode: VERDICTS.indexOf(verdict),
      file,
      integrity: verdict === "tampered" ? "broken" : verdict === "unreadable" ? "unknown" : "intact",
      completeness: findings.list.some((f) => f.aspect === "completeness") ? "incomplete" : "unknown",
      ...(first !== undefined && { first }),
      findings: findings.list,
      findingCounts: Object.fromEntries(findings.counts),
      anchors: [],
      cosigned: [],
      counts: NO_COUNTS,
      unchecked,
      threads: 1,
      ms: Math.round(performance.now() - started),
      ...more,
    };
  };

  const opened = openLedgerFile(file, options.fileKey, findings);
  if (opened === undefined) return report({});
  const { db, log } = opened;
  if (options.fileKey !== undefined && !isEncrypted(file))
    unchecked.push("encryption: a key was given, and the ledger is not encrypted");
  try {
    const origin = `callgate/${log}`;
    const key = findKey(file, options.vkey, opened.vkey, origin, findings);
    if (key === undefined) unchecked.push("signatures: there is no key to check them with");
    else if (key.from === "folder")
      unchecked.push("whose key it is: it is from the folder itself; give the one you know with --vkey");

    const second = findSecondKey(file, options.secondVkey, opened.secondVkey, findings);

    // Before the ledger itself: what a broker that is running anchors meanwhile is not to look like records that are gone.
    const anchors = await readAnchors(options, origin, key?.key, db);
    const witnessed = readCosigned(file, origin, key?.key, witnessKeysOf(options.witnessKeys), unchecked);
    // The first look hinders nobody; a second one is at the file as it is at one moment, which keeps its log of writes from ending.
    if (again < AGAIN) db.exec("BEGIN");
    const snapshot = takeSnapshot(db);
    checkSchema(snapshot.schema, opened.schema, findings);
    const segments = findSegments(options.segments, options.fileKey, findings);
    const payloadKeys = readPayloadKeys(file, options.fileKey, unchecked);
    const context: RangeContext = {
      path: file,
      ...(options.fileKey !== undefined && { fileKey: options.fileKey }),
      segments: segments.map(({ path }) => path),
      ...(again < AGAIN && { pinned: true as const }),
      least: snapshot.least,
      log,
      ...(key !== undefined && { key: key.key.text }),
      ...(second !== undefined && { secondKey: second.key.text }),
      ...(payloadKeys !== undefined && { payloadKeys }),
      openAll: options.openAll ?? false,
      sizes: [
        ...new Set([
          ...wantedSizes(anchors),
          ...witnessed.map(({ checkpoint }) => checkpoint.size),
          ...[snapshot, ...segments].flatMap(({ sealedSizes }) => sealedSizes),
        ]),
      ],
    };
    const threads = options.threads ?? (snapshot.count < SMALL ? 1 : availableParallelism());
    const whole = await checkRecords(context, db, snapshot, threads, options, findings);
    if (options.skipIndexes === true) unchecked.push("indexes: left out as asked");

    checkEnds(snapshot, findings);
    if (second !== undefined && snapshot.newestNote !== undefined)
      checkSecondSignature(snapshot.newestNote, second, whole.tally.twice, findings, unchecked);
    const tiles = checkTiles(snapshot.tiles, whole, snapshot.most, findings);
    const seals = parseSeals(whole.tally.seals);
    checkSegments(segments, seals, findings);
    checkSeals(seals, whole, findings);
    const hashed = checkArchived(snapshot, seals, whole, findings, unchecked);
    checkShredded(whole, findings);
    const found = { records: snapshot.most, size: whole.size, roots: whole.roots };
    const judged = anchors.map((anchor) => judgeAnchor(anchor, found, key !== undefined, findings, unchecked));
    const cosigned = judgeCosigned(witnessed, found, findings, unchecked);
    if (anchors.length === 0)
      unchecked.push("completeness: no anchor was given, so that a cut-off end or a full rewrite would not show");
    // What a broker takes out while its ledger is looked at is missing only here.
    const moved = findings.list.some(({ problem }) => problem.includes(MOVED));
    if ((moved || oldestIn(db) !== snapshot.least) && again > 0) return await verifyLedger(options, again - 1);
    const covers = Math.max(0, ...judged.map((anchor) => anchor.covers));
    const gone = findings.list.some((finding) => finding.aspect === "completeness");
    return report({
      log,
      completeness: gone ? "incomplete" : covers > 0 ? "complete" : "unknown",
      ...(covers > 0 && !gone && { completeTo: covers }),
      head: { size: whole.size, root: whole.root.toString("base64") },
      ...(key !== undefined && { key: { vkey: key.key.text, from: key.from } }),
      ...(second !== undefined && { secondKey: { id: second.key.id, from: second.from } }),
      anchors: judged,
      cosigned,
      counts: {
        records: whole.tally.records,
        archived: hashed.archived,
        deleted: hashed.deleted,
        checkpoints: whole.tally.checkpoints,
        tiles,
        payloads: whole.tally.payloads,
        opened: whole.tally.opened,
        shredded: whole.tally.shredded,
        seals: seals.length,
        clocks: whole.tally.clocks,
        openIntents: whole.open,
      },
      threads,
    });
  } catch (error) {
    addReadingProblem(error, "file", "the ledger", findings);
    return report({});
  } finally {
    db.close();
  }
}

function wantedSizes(anchors: readonly Anchor[]): number[] {
  return anchors.flatMap(({ entries }) => entries.map(({ checkpoint }) => checkpoint.size));
}
