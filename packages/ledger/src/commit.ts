import { hash } from "node:crypto";
import { statSync } from "node:fs";
import type { SignedCheckpoint } from "./anchor/anchor.ts";
import { type BatchMessage, PAYLOAD_NAMES, TEXT_WIDTH } from "./batch.ts";
import { checkpointText, originOf } from "./checkpoint.ts";
import { encryptPayload, keyedDigest, LOG_KEY } from "./cipher.ts";
import { joinLeaf } from "./leaf.ts";
import { leafHash, type Tile } from "./merkle.ts";
import { whileBusy } from "./retry.ts";
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
 * transaction. Resolves with the checkpoint over all records, durable. Once it rejects, what the disk holds is not known, and it MUST NOT be called again.
 */
export function committer(store: Store, keepPayloads: boolean): (batch: BatchMessage) => Promise<SignedCheckpoint> {
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
  const inode = statSync(db.name).ino;
  let prev = store.head.hash;

  return async (batch) => {
    const { first, times, text } = batch;
    // A file that was moved or deleted takes writes like any other: what is acknowledged would be gone.
    if (statSync(db.name, { throwIfNoEntry: false })?.ino !== inode) throw new Error("its file was moved or deleted");
    const needed = sessionsOf(batch);
    if (needed !== undefined) await whileBusy(() => store.keys.provide(needed));

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
    const note = store.key.sign(checkpointText(origin, size, tree.root()));

    await whileBusy(() => begin.run());
    for (const [i, { hash, leaf, payloads }] of rows.entries()) {
      const at = i * TEXT_WIDTH + KIND;
      insertRecord.run(
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
      for (const [n, data] of payloads.entries())
        if (data !== undefined) insertPayload.run(first + i, PAYLOAD_NAMES[n], data);
    }
    for (const { level, index, data } of tiles) insertTile.run(level, index, data);
    insertCheckpoint.run(size, note);
    end.run();
    return { size, note };
  };
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
