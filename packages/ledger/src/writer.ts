import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { CallgateError, messageOf } from "@callgate/core";
import type { LogView, SignedCheckpoint } from "./anchor/anchor.ts";
import { Anchoring, type AnchorState, type Cosigning, compareAll } from "./anchor/anchoring.ts";
import { boundedAnchor } from "./anchor/bounded.ts";
import { type AnchorTarget, openAnchor } from "./anchor/open.ts";
import type { BatchMessage } from "./batch.ts";
import { originOf } from "./checkpoint.ts";
import { committer } from "./commit.ts";
import { CosignedFile } from "./cosigned.ts";
import { type FileKey, holdFileKey } from "./file-key.ts";
import { parseVerifierKey, type VerifierKey } from "./note.ts";
import type { Patience } from "./patience.ts";
import { consistencyProof, rootAt } from "./proof.ts";
import { type Head, openStore, type SignatureKind, type Store } from "./store.ts";
import { perform, type Task } from "./task.ts";
import { treeReader } from "./tree-reader.ts";

/** What the writer's thread is started with. */
export interface WriterData {
  readonly folder: string;
  /** Of the folder's files; without one they are plain. */
  readonly key?: FileKey;
  readonly sync: "full" | "off";
  readonly payloads: boolean;
  /** Without it: with every key that the ledger has. */
  readonly signatures?: readonly SignatureKind[];
  readonly anchors: readonly AnchorTarget[];
  readonly patience: Patience;
}

/** What the sequencer sends: a commit, something to do between commits, or undefined to end. */
export type ToWriter = BatchMessage | (Task & { readonly id: number }) | undefined;

/** A failure as it goes from thread to thread. */
export interface Failure {
  readonly code?: string;
  readonly message: string;
  readonly help?: string;
}

/** What the writer has found when it is open. */
export interface Opened {
  readonly log: string;
  readonly head: Head;
  /** The newest record that is sealed. */
  readonly sealed: number;
  readonly orphans: readonly string[];
  readonly anchors: readonly AnchorState[];
}

/**
 * What the writer says: that it is open, that all up to a seq is durable (a number), that nothing of a batch was written, how its
 * anchors stand, how a task ended, that it failed and ends, or that it has given the folder up.
 */
export type FromWriter =
  | number
  | { readonly opened: Opened }
  | { readonly anchors: readonly AnchorState[] }
  | { readonly done: number; readonly value: unknown }
  | { readonly done: number; readonly refused: Failure }
  | { readonly unwritten: Failure }
  | { readonly failed: Failure }
  | "closed";

/** A data folder that is open for writing. */
interface Writer {
  readonly opened: Opened;
  /** Does what the sequencer asks. Once it rejects, nothing MUST be asked again. */
  take(message: Exclude<ToWriter, undefined>): Promise<FromWriter>;
  /** Gives the anchors the newest checkpoint, and the folder up. */
  close(): Promise<void>;
  /** Gives the folder up as it is. An open transaction goes with the connection. */
  abandon(): void;
}

async function openWriter(
  data: WriterData,
  hear: { changed(states: readonly AnchorState[]): void; conflict(error: CallgateError): void },
): Promise<Writer> {
  const { patience } = data;
  const anchors = data.anchors.map((target) => ({
    anchor: boundedAnchor(openAnchor(target), patience.anchor),
    required: target.required === true,
    awaited: target.lag !== undefined,
  }));
  holdFileKey(data.folder, data.key);
  const store = openStore(data.folder, data.sync, data.signatures);
  try {
    const { log, head, sealed, orphans, db } = store;
    let newest = db.prepare<[], SignedCheckpoint>("SELECT size, note FROM checkpoint ORDER BY size DESC LIMIT 1").get();
    const view = viewOf(store, () => newest);
    const cosigned = new CosignedFile(data.folder);
    const keep = ({ anchor, checkpoint, lines }: Cosigning): void => cosigned.keep(anchor, checkpoint, lines);
    const states = await compareAll(anchors, view, keep);
    const anchoring: Anchoring = new Anchoring(anchors, states, view, patience, {
      changed: () => hear.changed(anchoring.states),
      cosigned: keep,
      conflict: (error) => hear.conflict(error),
    });
    if (newest !== undefined) anchoring.take(newest);
    const commit = committer(store, data.payloads, patience.busy);
    return {
      opened: { log, head, sealed, orphans, anchors: states },
      async take(message) {
        if ("task" in message) return await doTask(store, message);
        const committed = await commit(message);
        if (committed === undefined) return { unwritten: KEYS_BUSY };
        newest = committed;
        anchoring.take(newest);
        return newest.size;
      },
      async close() {
        await anchoring.close();
        await cosigned.close();
        store.close();
      },
      abandon() {
        anchoring.abandon();
        store.abandon();
      },
    };
  } catch (error) {
    store.close();
    throw error;
  }
}

const KEYS_BUSY: Failure = {
  code: "LEDGER_BUSY",
  message: "another program holds `payload-keys.db`, so that no key can be made for a new session",
  help: "end it; a copy of the file is made with the broker stopped",
};

/** What anchors see of the log. */
function viewOf({ db, log, key, tree }: Store, newest: () => SignedCheckpoint | undefined): LogView {
  const node = treeReader(db, (level, index) => tree.partial(level, index));
  return {
    origin: originOf(log),
    key: parseVerifierKey(key.vkey) as VerifierKey,
    newest,
    rootAt: (size) => rootAt(node, size),
    consistencyProof: (old, size) => consistencyProof(node, old, size),
  };
}

/** A task that fails has changed nothing that a commit relies on: the writer goes on. */
async function doTask(store: Store, task: Task & { readonly id: number }): Promise<FromWriter> {
  try {
    return { done: task.id, value: await perform(store, task) };
  } catch (error) {
    return { done: task.id, refused: failureOf(error) };
  }
}

function failureOf(error: unknown): Failure {
  if (!(error instanceof CallgateError)) return { message: messageOf(error) };
  const { code, message, help } = error;
  return { code, message, ...(help !== undefined && { help }) };
}

/** Serves one data folder until it is told to end or something fails. After a failure it MUST NOT write again. */
function serve(port: MessagePort, data: WriterData): void {
  const say = (message: FromWriter): void => port.postMessage(message);
  let writer: Writer | undefined;
  let ended = false;
  const fail = (error: unknown): void => {
    if (ended) return;
    ended = true;
    // What the disk holds of the newest batch is not known: the next start looks.
    writer?.abandon();
    say({ failed: failureOf(error) });
    port.close();
  };
  const begin = async (): Promise<void> => {
    writer = await openWriter(data, { changed: (anchors) => say({ anchors }), conflict: fail });
    say({ opened: writer.opened });
  };
  const take = async (message: ToWriter): Promise<void> => {
    if (ended || writer === undefined) return;
    if (message !== undefined) {
      say(await writer.take(message));
      return;
    }
    await writer.close();
    ended = true;
    say("closed");
    port.close();
  };
  // One after another: the next message may come while a commit waits.
  let turn = begin().catch(fail);
  port.on("message", (message: ToWriter) => {
    turn = turn.then(() => take(message)).catch(fail);
  });
}

if (parentPort !== null) serve(parentPort, workerData as WriterData);
