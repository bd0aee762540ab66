import { hash } from "node:crypto";
import { statSync } from "node:fs";
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { CallgateError, messageOf } from "@callgate/core";
import { type BatchMessage, TEXT_WIDTH } from "./batch.ts";
import { type Head, openStore, type Store } from "./store.ts";

/** What the writer's thread is started with. */
export interface WriterData {
  readonly folder: string;
  readonly sync: "full" | "off";
}

/** What the sequencer sends: a commit, or undefined to end. */
export type ToWriter = BatchMessage | undefined;

/** What the writer says: that it is open, that all up to a seq is durable (a number), or that it failed and ends. */
export type FromWriter =
  | number
  | { readonly opened: { readonly log: string; readonly head: Head; readonly orphans: readonly string[] } }
  | { readonly failed: { readonly code?: string; readonly message: string; readonly help?: string } };

/** Serves one data folder until it is told to end or something fails. After a failure it MUST NOT write again. */
function serve(port: MessagePort, data: WriterData): void {
  const fail = (error: unknown) => {
    const failed =
      error instanceof CallgateError
        ? { code: error.code, message: error.message, ...(error.help === undefined ? {} : { help: error.help }) }
        : { message: messageOf(error) };
    port.postMessage({ failed } satisfies FromWriter);
    port.close();
  };

  let store: Store;
  try {
    store = openStore(data.folder, data.sync);
  } catch (error) {
    fail(error);
    return;
  }
  const commit = committer(store);
  port.on("message", (batch: ToWriter) => {
    try {
      if (batch !== undefined) {
        port.postMessage(commit(batch) satisfies FromWriter);
        return;
      }
      store.close();
      port.close();
    } catch (error) {
      // What the disk holds of this batch is not known: the next start looks. An open transaction goes with the connection.
      store.close();
      fail(error);
    }
  });
  const { log, head, orphans } = store;
  port.postMessage({ opened: { log, head, orphans } } satisfies FromWriter);
}

/** A function that commits one batch, chained to all before it, and returns the last durable seq. */
function committer({ db, head }: Store): (batch: BatchMessage) => number {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const end = db.prepare("COMMIT");
  const insertRecord = db.prepare(
    `INSERT INTO record (seq, kind, ts, agent, session, call, tool, verdict, status, hash, leaf)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertPayload = db.prepare("INSERT INTO payload (seq, name, text) VALUES (?, ?, ?)");
  const inode = statSync(db.name).ino;
  let prev = head.hash;
  return ({ first, times, text, payloadSeqs, payloads }) => {
    // A file that was moved or deleted takes writes like any other: what is acknowledged would be gone.
    if (statSync(db.name, { throwIfNoEntry: false })?.ino !== inode) throw new Error("its file was moved or deleted");
    begin.run();
    let payload = 0;
    for (let i = 0; i < times.length; i++) {
      const at = i * TEXT_WIDTH;
      const seq = first + i;
      const leaf = `${text[at]}${prev}${text[at + 1]}`;
      const digest = hash("sha256", leaf, "buffer");
      insertRecord.run(
        seq,
        text[at + 2],
        times[i],
        text[at + 3],
        text[at + 4],
        text[at + 5],
        text[at + 6],
        text[at + 7],
        text[at + 8],
        digest,
        leaf,
      );
      prev = `sha256:${digest.toString("hex")}`;
      for (; payloadSeqs[payload] === seq; payload++) {
        insertPayload.run(seq, payloads[payload * 2], payloads[payload * 2 + 1]);
      }
    }
    end.run();
    return first + times.length - 1;
  };
}

if (parentPort !== null) serve(parentPort, workerData as WriterData);
