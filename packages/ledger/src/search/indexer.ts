import { Worker } from "node:worker_threads";
import { heldFileKey } from "../file-key.ts";

/** Fills the index of words behind a broker. */
export interface Indexer {
  /** Ends after the batch it is at. */
  close(): Promise<void>;
}

/**
 * Starts filling a folder's index, in a thread of the least priority, from its ledger, which MUST be there. It never
 * touches the ledger; if it fails, `onError` is called once, searches fall behind, and nothing else happens.
 */
export function openIndexer(folder: string, onError: (error: Error) => void): Indexer {
  // Built or bundled, all files are beside each other: see scripts/package.ts.
  const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./search-worker.js";
  const worker = new Worker(new URL(file, import.meta.url), {
    workerData: { folder, key: heldFileKey(folder) },
    name: "callgate-search",
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 256 },
  });
  const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
  worker.once("error", (error) => onError(error instanceof Error ? error : new Error(String(error))));
  worker.unref();
  return {
    async close() {
      worker.ref();
      worker.postMessage("end");
      await ended;
    },
  };
}
