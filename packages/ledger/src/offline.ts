import { CallgateError } from "@callgate/core";
import type { AnchorTarget } from "./anchor/open.ts";
import { openSequencer } from "./open.ts";
import { hasKey } from "./payload-keys.ts";
import { openReader } from "./reader.ts";
import { forgetSession } from "./search/fill.ts";
import type { Sequencer } from "./sequencer.ts";
import type { SignatureKind } from "./store.ts";

/** What is done to a ledger while no broker holds it. Each appends a boot record, as every run does. */
export interface OfflineOptions {
  readonly folder: string;
  readonly anchors?: readonly AnchorTarget[];
  /** What checkpoints are signed with (default: every key that the ledger has). */
  readonly signatures?: readonly SignatureKind[];
  /** Facts for the boot record. */
  readonly boot?: { readonly [key: string]: unknown };
}

async function withLedger<T>(options: OfflineOptions, action: (ledger: Sequencer) => Promise<T>): Promise<T> {
  // Nothing is to be made where there is no ledger.
  openReader(options.folder).close();
  const ledger = await openSequencer(options);
  try {
    return await action(ledger);
  } finally {
    await ledger.close();
  }
}

/**
 * Takes away the key of a session's payloads, so that nobody can read them any more, records that, and takes their words out of the
 * index. Every proof holds as before. Resolves with the record's seq, and whether there was a key. Rejects with `LEDGER_NO_SESSION`
 * if the ledger has neither a record of the session nor its key, with `LEDGER_INDEX_BUSY` if all is done but that a reader of the index keeps words in its
 * log, and with what `openLedger` rejects with.
 */
export async function shredSession(
  options: OfflineOptions,
  session: string,
): Promise<{ readonly seq: number; readonly hadKey: boolean }> {
  const reader = openReader(options.folder);
  try {
    // Records that were archived are not here any more, and the key still opens them.
    if (reader.query({ session, limit: 1 }).length === 0 && !hasKey(options.folder, session))
      throw new CallgateError("LEDGER_NO_SESSION", `there is no record of the session \`${session}\``, {
        help: "name it as `callgate ledger show` does",
      });
  } finally {
    reader.close();
  }
  return await withLedger(options, async (ledger) => {
    const hadKey = await ledger.ask({ task: "shred", session });
    const seq = await ledger.append({ kind: "config", detail: { shredded: session } });
    forgetSession(options.folder, session);
    return { seq, hadKey };
  });
}

/** Seals all records since the last seal as one segment. Undefined if there are none. */
export async function sealLedger(options: OfflineOptions): Promise<number | undefined> {
  return await withLedger(options, (ledger) => ledger.seal());
}

/**
 * Moves the sealed segments that end before a record to files of their own in a folder; what remains proves as before. Resolves with
 * the files. Rejects with `LEDGER_NOT_SEALED` if there are none.
 */
export async function archiveSegments(
  options: OfflineOptions,
  { before, to }: { readonly before: number; readonly to: string },
): Promise<readonly { readonly from: number; readonly to: number; readonly file: string }[]> {
  return await withLedger(options, async (ledger) => {
    const segments = await ledger.ask({ task: "copy", before, to });
    // Recorded before it is done: of what is gone the record says where it went.
    for (const segment of segments) await ledger.append({ kind: "config", detail: { archived: segment } });
    await ledger.ask({ task: "drop", segments, to });
    return segments.map(({ from, to: last, file = "" }) => ({ from, to: last, file }));
  });
}
