import { Worker } from "node:worker_threads";
import { CallgateError, type LedgerRecord, newId, type RecordDraft } from "@callgate/core";
import { heldFileKey, holdFileKey } from "./file-key.ts";
import { PATIENCE } from "./patience.ts";
import type { Ledger, LedgerOptions } from "./port.ts";
import { Sequencer } from "./sequencer.ts";
import type { FromWriter, Opened, WriterData } from "./writer.ts";

/**
 * Opens a data folder's ledger for writing: checks it, gives every call that an earlier run left open an outcome with status
 * `unknown`, and appends this run's boot record. Nothing is ever run again. Rejects with `LEDGER_LOCKED`,
 * `LEDGER_NOT_DURABLE`, `LEDGER_FORMAT`, `LEDGER_CORRUPT`, `LEDGER_MISSING`, `LEDGER_KEY_MISSING`, `LEDGER_KEYS_MISSING`, `LEDGER_KEY_INVALID`, `ML_DSA_UNKNOWN`,
 * `LEDGER_BEHIND_ANCHOR`, `LEDGER_FORKED`, `LEDGER_ANCHOR_UNREACHABLE`, `ANCHOR_INVALID`, `LEDGER_LEAF_TOO_LARGE` (boot facts),
 * `LEDGER_FAILED`, or what `openDataFile` throws of keys.
 */
export async function openLedger(options: LedgerOptions): Promise<Ledger> {
  return await openSequencer(options);
}

/** As `openLedger`, for those who have more to do with the writer than to append. */
export async function openSequencer(options: LedgerOptions): Promise<Sequencer> {
  // Under type stripping this file is `.ts`; built or bundled, it and the writer beside it are `.js`.
  const writer = new URL(import.meta.url.endsWith(".ts") ? "./writer.ts" : "./writer.js", import.meta.url);
  if (options.fileKey !== undefined) holdFileKey(options.folder, options.fileKey);
  const key = heldFileKey(options.folder);
  const data: WriterData = {
    folder: options.folder,
    ...(key !== undefined && { key }),
    sync: options.sync ?? "full",
    payloads: options.payloads ?? true,
    ...(options.signatures !== undefined && { signatures: options.signatures }),
    anchors: options.anchors ?? [],
    patience: { ...PATIENCE, ...options.patience },
  };
  const worker = new Worker(writer, {
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 256 },
    workerData: data,
    name: "callgate-ledger",
  });
  const { log, head, sealed, orphans, anchors } = await opened(worker);

  const boot = newId("boot");
  const lags = data.anchors.map(({ lag }) => lag);
  const sequencer = new Sequencer(worker, {
    log,
    boot,
    head,
    recovered: orphans.length,
    sealed,
    anchors,
    ...(lags.some((lag) => lag !== undefined) && { lags }),
    ...(options.segment !== undefined && { segment: options.segment }),
    ...(options.keep !== undefined && { keep: options.keep }),
    ...(options.onKeepError !== undefined && { onKeepError: options.onKeepError }),
    ...(options.onAnchorError !== undefined && { onAnchorError: options.onAnchorError }),
    ...(options.onFailure !== undefined && { onFailure: options.onFailure }),
  });
  try {
    for (const leaf of orphans) sequencer.appendLater(unknownOutcome(JSON.parse(leaf) as LedgerRecord));
    // A single commit order makes this durable only after every outcome before it.
    await sequencer.append({ kind: "boot", detail: { ...options.boot, recovered: orphans.length } });
    sequencer.startKeeping();
  } catch (error) {
    await sequencer.close();
    throw error;
  }
  return sequencer;
}

function unknownOutcome(intent: LedgerRecord): RecordDraft {
  const { agent, user, session, call, parent, trace, tool } = intent;
  const known = { agent, user, session, call, parent, trace, tool };
  return {
    kind: "outcome",
    status: "unknown",
    ...(Object.fromEntries(Object.entries(known).filter(([, v]) => v !== undefined)) as Partial<RecordDraft>),
    detail: { intent: intent.seq },
  };
}

function opened(worker: Worker): Promise<Opened> {
  const { promise, resolve, reject } = Promise.withResolvers<Opened>();
  const onError = (cause: unknown) =>
    reject(new CallgateError("LEDGER_FAILED", "the ledger's writer did not start", { cause }));
  const onExit = () => onError(undefined);
  worker.on("error", onError);
  worker.on("exit", onExit);
  worker.once("message", (message: FromWriter) => {
    worker.off("error", onError);
    worker.off("exit", onExit);
    if (typeof message === "object" && "opened" in message) resolve(message.opened);
    else if (typeof message === "object" && "failed" in message) {
      // An anchor that does not answer may hold the thread.
      void worker.terminate();
      const { code, message: text, help } = message.failed;
      reject(new CallgateError(code ?? "LEDGER_FAILED", text, help === undefined ? {} : { help }));
    }
  });
  return promise;
}
