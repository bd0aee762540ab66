import { hash } from "node:crypto";
import type { RunResult } from "better-sqlite3";
import type { SignedCheckpoint } from "./anchor/anchor.ts";
import { type BatchMessage, PAYLOAD_NAMES, TEXT_WIDTH } from "./batch.ts";
import { checkpointText, originOf } from "./checkpoint.ts";
import { encryptPayload, keyedDigest, LOG_KEY } from "./cipher.ts";
import { joinLeaf } from "./leaf.ts";
import { leafHash, type Tile } from "./merkle.ts";
import { placeOf } from "./place.ts";
import { isBusy, whileBusy } from "./retry.ts";
import { schemaProblems } from "./schema.ts";
import type { Store } from "./store.ts";

interface Row {
  readonly hash: Buffer;
  readonly leaf: string;
  /** In the order of `PAYLOAD_NAMES`; undefined where nothing is kept. */
  readonly payloads: readonly (Buffer | undefined)[];
}

// Places in `BatchMessage.text`, from a record's first on.
const PLAIN = 5;
const KIND = 8;
const SESSION = 10;

/**
 * A function that commits one batch: finishes its leaves, encrypts its payloads, lets the tree grow and signs it, all in one
 * transaction. Resolves with the checkpoint over all records, durable, or with undefined, and nothing is written, if the keys' file stays
 * locked for `patience` milliseconds. Once it rejects, what the disk holds is not known, and it MUST NOT be called again.
 */
export function committer(
  store: Store,
  keepPayloads: boolean,
  patience: number,
): (batch: BatchMessage) => Promise<SignedCheckpoint | undefined> {
  const { db, tree } = store;
  const origin = originOf(store.log);
  const begin = db.prepare("BEGIN IMMEDIATE");
  const end = db.prepare("COMMIT");
  const insertRecord = db.prepare(
    `INSERT INTO record (seq, kind, ts, agent, session, call, tool, verdict, status, hash, leaf)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertPayload = db.prepare("INSERT INTO payload (seq, name, data) VALUES (?, ?, ?)");
  const insertTile = db.prepare("INSERT INTO tile (level, idx, data) VALUES (?, ?, ?)");
  const insertCheckpoint = db.prepare("INSERT INTO checkpoint (size, note) VALUES (?, ?)");
  const version = db.prepare<[], number>("PRAGMA schema_version").pluck();
  const requirePlace = placeOf(db);
  let made: number | undefined;
  let unnamed = store.second?.isNamed === false ? store.second : undefined;
  let prev = store.head.hash;

  return async (batch) => {
    const { first, times, text } = batch;
    requirePlace();
    const needed = sessionsOf(batch);
    try {
      if (needed !== undefined) await whileBusy(() => store.keys.provide(needed), patience);
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw error;
    }

    const rows: Row[] = [];
    const tiles: Tile[] = [];
    let payload = 0;
    for (let i = 0; i < times.length; i++) {
      const own: (string | undefined)[] = [undefined, undefined, undefined];
      for (; batch.payloadPlaces[payload * 2] === first + i; payload++)
        own[batch.payloadPlaces[payload * 2 + 1] as number] = batch.payloads[payload];
      const row = finish(store, keepPayloads, first + i, text, i * TEXT_WIDTH, own, prev);
      prev = `sha256:${row.hash.toString("hex")}`;
      rows.push(row);
      tiles.push(...tree.add(row.hash));
    }
    const size = first + times.length - 1;
    const root = tree.root();
    const line = store.second?.line({ origin, size, root }, times.at(-1) as number) ?? "";
    const note = store.key.sign(checkpointText(origin, size, root)) + line;

    await whileBusy(() => begin.run(), patience);
    // Archiving changes the schema too, and puts it back.
    if (version.get() !== made) {
      const problem = schemaProblems(db)[0];
      if (problem !== undefined) throw new Error(problem);
      made = version.get();
    }
    for (const [i, { hash, leaf, payloads }] of rows.entries()) {
      const at = i * TEXT_WIDTH + KIND;
      const inserted = insertRecord.run(
        first + i,
        text[at],
        times[i],
        text[at + 1],
        text[at + 2],
        text[at + 3],
        text[at + 4],
        text[at + 5],
        text[at + 6],
        hash,
        leaf,
      );
      requireOne(inserted);
      for (const [n, data] of payloads.entries())
        if (data !== undefined) requireOne(insertPayload.run(first + i, PAYLOAD_NAMES[n], data));
    }
    for (const { level, index, data } of tiles) requireOne(insertTile.run(level, index, data));
    requireOne(insertCheckpoint.run(size, note));
    unnamed?.name();
    end.run();
    unnamed?.publish();
    unnamed = undefined;
    requirePlace();
    return { size, note };
  };
}

/** A trigger may have an insert do nothing without a word. */
function requireOne({ changes }: RunResult): void {
  if (changes !== 1) throw new Error("the file did not take a row");
}

/** The sessions whose keys a batch needs; undefined if it needs none. */
function sessionsOf({ text }: BatchMessage): Set<string> | undefined {
  let sessions: Set<string> | undefined;
  for (let at = 0; at < text.length; at += TEXT_WIDTH) {
    if (text[at] === null && text[at + 1] === null && text[at + 3] === null) continue;
    sessions ??= new Set();
    sessions.add(text[at + SESSION] ?? LOG_KEY);
  }
  return sessions;
}

/** Encrypts a record's payloads and fills in what its leaf leaves open. */
function finish(
  { keys, log }: Store,
  keepPayloads: boolean,
  seq: number,
  text: readonly (string | null)[],
  at: number,
  own: readonly (string | undefined)[],
  prev: string,
): Row {
  const payloads: (Buffer | undefined)[] = [];
  const digest = (n: number): string => {
    const session = text[at + SESSION] ?? LOG_KEY;
    const payload = own[n];
    const key = keys.key(session);
    if (payload !== undefined && keepPayloads && !keys.isShredded(session)) {
      const data = encryptPayload(key, payload, log, seq, PAYLOAD_NAMES[n] as string);
      payloads[n] = data;
      return `sha256:${hash("sha256", data, "hex")}`;
    }
    return keyedDigest(
      key,
      payload === undefined ? (text[at + PLAIN + n] as string) : `sha256:${hash("sha256", payload)}`,
    );
  };
  const args = text[at] as string | null;
  const facts = text[at + 1] as string | null;
  const result = text[at + 3] as string | null;
  const leaf = joinLeaf(
    { args, facts, prev: text[at + 2] as string, result, tail: text[at + 4] as string },
    {
      ...(args !== null && { args: digest(0) }),
      ...(facts !== null && { facts: digest(1) }),
      prev,
      ...(result !== null && { result: digest(2) }),
    },
  );
  return { hash: leafHash(leaf), leaf, payloads };
}
