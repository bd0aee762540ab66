import { hash } from "node:crypto";
import { canonicalJson, isObject, type LedgerRecord, messageOf } from "@callgate/core";
import type { Database } from "better-sqlite3";
import { originOf, parseCheckpoint } from "./checkpoint.ts";
import { type Columns, columnsOf } from "./columns.ts";
import { NO_LEAF } from "./leaf.ts";
import { HASH_BYTES, leafHash, TILE_WIDTH, Tree } from "./merkle.ts";
import { isSignedBy, parseVerifierKey, type VerifierKey } from "./note.ts";
import type { Finding, Verification } from "./port.ts";
import { readMeta, schemaProblems } from "./schema.ts";

/** Records read at a time, so that a check of a large ledger does not hold the writer's log back. */
const CHUNK = 1000;
/** Findings that are listed; a file with more is no more broken for it. */
const FINDINGS = 1000;

type Row = Columns & { readonly seq: number; readonly hash: Buffer; readonly leaf: string };
type Payload = { readonly seq: number; readonly name: string; readonly data: Buffer };

/** Checks all records up to the newest one at the start. Reads only; never throws for what it finds. */
export function verifyLedger(db: Database, onProgress?: (done: number, total: number) => void): Verification {
  const findings: Finding[] = [];
  const report = (seq: number, problem: string) => {
    if (findings.length < FINDINGS) findings.push({ seq, problem });
  };
  for (const problem of schemaProblems(db)) report(0, problem);

  const log = readMeta(db, "log");
  const bounds = db
    .prepare<[], { least: number | null; most: number | null; count: number }>(
      "SELECT min(seq) AS least, max(seq) AS most, count(*) AS count FROM record",
    )
    .get();
  const total = bounds?.count ?? 0;
  const most = bounds?.most ?? 0;
  const readRecords = db.prepare<[number, number, number], Row>(
    `SELECT seq, kind, ts, agent, session, call, tool, verdict, status, hash, leaf
     FROM record WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  );
  const readPayloads = db.prepare<[number, number], Payload>(
    "SELECT seq, name, data FROM payload WHERE seq > ? AND seq <= ? ORDER BY seq, name",
  );

  const vkey = parseVerifierKey(readMeta(db, "vkey") ?? "");
  if (vkey === undefined) report(0, "the key of its checkpoints is missing");
  const notes = notesOf(db);
  const tree = new Tree();
  const checkNote = checkpointCheck(log, vkey, tree, report);

  let records = 0;
  let prev = NO_LEAF;
  let seq = 0;
  let from = (bounds?.least ?? 1) - 1;
  for (const hash of archivedHashes(db, from)) {
    tree.add(hash);
    prev = `sha256:${hash.toString("hex")}`;
    seq++;
  }
  // A seq below 1 is never a writer's; it is read all the same, and found out of place.
  if (from < 0) report(from + 1, "there is a record before the first");
  for (;;) {
    const rows = readRecords.all(from, most, CHUNK);
    const newest = rows.at(-1);
    const to = newest === undefined ? Number.MAX_SAFE_INTEGER : newest.seq;
    const payloads = newest === undefined ? readPayloads.all(Math.max(from, most), to) : readPayloads.all(from, to);
    let payload = 0;
    for (const row of rows) {
      if (row.seq !== seq + 1 && row.seq > 0) report(row.seq, missing(seq + 1, row.seq - 1));
      seq = Math.max(row.seq, 0);
      for (; (payloads[payload]?.seq ?? Number.POSITIVE_INFINITY) < row.seq; payload++) {
        report((payloads[payload] as Payload).seq, "there is a payload without a record");
      }
      const own: Payload[] = [];
      for (; payloads[payload]?.seq === row.seq; payload++) own.push(payloads[payload] as Payload);
      const leaf = leafHash(row.leaf);
      const digest = `sha256:${leaf.toString("hex")}`;
      for (const problem of problemsOf(row, own, digest, prev, log)) report(row.seq, problem);
      prev = digest;
      records++;
      if (tree.size === row.seq - 1) tree.add(leaf);
      const note = tree.size === row.seq ? notes.at(row.seq) : undefined;
      if (note !== undefined) checkNote(note, row.seq);
    }
    for (const { seq } of payloads.slice(payload)) report(seq, "there is a payload without a record");
    onProgress?.(records, total);
    if (newest === undefined) break;
    from = newest.seq;
  }
  if (notes.newest !== most) report(most, "the newest checkpoint is not that of the newest record");
  return { ok: findings.length === 0, records, head: prev, findings };
}

/** Hashes of the records 1 to `last`, where those were archived; none where they are missing. */
function archivedHashes(db: Database, last: number): Buffer[] {
  const tiles = db
    .prepare<[number], Buffer>("SELECT data FROM tile WHERE level = 0 AND idx * 256 < ? ORDER BY idx")
    .pluck()
    .all(last);
  const kept = Buffer.concat(tiles);
  if (last <= 0 || kept.length !== last * HASH_BYTES || tiles.length !== Math.ceil(last / TILE_WIDTH)) return [];
  return Array.from({ length: last }, (_, i) => kept.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES));
}

/** Checkpoints, asked for in the order of their sizes. */
function notesOf(db: Database): { at(size: number): string | undefined; readonly newest: number } {
  const newest = db.prepare<[], number | null>("SELECT max(size) FROM checkpoint").pluck().get() ?? 0;
  const read = db.prepare<[number], string>("SELECT note FROM checkpoint WHERE size = ?").pluck();
  return { at: (size) => read.get(size), newest };
}

/** A function that checks one checkpoint against the tree as it is. Of what is wrong with all that follow the first one is reported. */
function checkpointCheck(
  log: string | undefined,
  vkey: VerifierKey | undefined,
  tree: Tree,
  report: (seq: number, problem: string) => void,
): (note: string, size: number) => void {
  const reported = new Set<string>();
  return (note, size) => {
    const once = (problem: string): void => {
      if (!reported.has(problem)) report(size, problem);
      reported.add(problem);
    };
    const read = parseCheckpoint(note);
    if (read === undefined) {
      once("its checkpoint cannot be read");
      return;
    }
    const { checkpoint } = read;
    if (checkpoint.origin !== originOf(log ?? "") || checkpoint.size !== size) once("its checkpoint is another's");
    else if (!checkpoint.root.equals(tree.root())) once("its checkpoint is not that of the records up to it");
    if (vkey !== undefined && !isSignedBy(read.note, vkey)) once("its checkpoint is not signed by the log's key");
  };
}

function* problemsOf(
  row: Row,
  payloads: readonly Payload[],
  digest: string,
  prev: string,
  log: string | undefined,
): Generator<string> {
  if (digest !== `sha256:${row.hash.toString("hex")}`) yield "the leaf does not match its hash";
  let record: LedgerRecord;
  try {
    const value: unknown = JSON.parse(row.leaf);
    if (!isObject(value)) throw new TypeError("not an object");
    record = value as unknown as LedgerRecord;
    if (!isCanonical(value, row.leaf)) yield "the leaf is not canonical JSON";
  } catch (error) {
    yield `the leaf cannot be read: ${messageOf(error)}`;
    return;
  }
  if (record.v !== 2) yield `the leaf's version is \`${String(record.v)}\`, not 2`;
  if (record.seq !== row.seq) yield `the leaf says it is record ${record.seq}`;
  if (record.prev !== prev) yield "the leaf does not follow from the one before";
  if (record.log !== log) yield "the leaf belongs to another log";

  const columns = columnsOf(record);
  for (const [name, value] of Object.entries(columns)) {
    if (row[name as keyof Columns] !== value) yield `the column \`${name}\` differs from the leaf`;
  }
  for (const { name, data } of payloads) {
    const expected = payloadDigest(record, name);
    if (expected === undefined) yield `there is a payload \`${name}\` that the leaf does not name`;
    else if (expected !== `sha256:${hash("sha256", data)}`) yield `the payload \`${name}\` does not match its digest`;
  }
}

/** True if a text is the canonical JSON of the value it was parsed into. */
function isCanonical(value: unknown, text: string): boolean {
  // What differs from RFC 8785 in JSON.stringify is the order of members, and that it lets lone surrogates pass, escaped. Where
  // neither is in sight the native function, several times as fast, has the answer.
  if (!text.includes("\\ud") && isSorted(value) && JSON.stringify(value) === text) return true;
  return canonicalJson(value) === text;
}

function isSorted(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (Array.isArray(value)) return value.every(isSorted);
  let before: string | undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (before !== undefined && key <= before) return false;
    if (typeof inner === "object" && !isSorted(inner)) return false;
    before = key;
  }
  return true;
}

function payloadDigest(record: LedgerRecord, name: string): unknown {
  if (name === "args") return record.args;
  if (name === "result") return record.result;
  return name === "facts" ? record.detail?.facts : undefined;
}

function missing(first: number, last: number): string {
  if (last < first) return "the record is out of order";
  return first === last ? `record ${first} is missing` : `records ${first} to ${last} are missing`;
}
