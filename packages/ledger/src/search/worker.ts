import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type FileKey, holdFileKey } from "../file-key.ts";
import { openFilling } from "./fill.ts";

/** The thread that fills the index behind a broker. It ends on any message, after the batch that it is at. */

/** How long it rests when it has caught up. */
const REST_MS = 500;
const LEAST_URGENT = 19;

// Elsewhere this would be the priority of the whole process.
if (process.platform === "linux") setPriority(LEAST_URGENT);

const { folder, key } = workerData as { readonly folder: string; readonly key?: FileKey };
holdFileKey(folder, key);
const filling = openFilling(folder);
let timer: NodeJS.Timeout | undefined;

function next(): void {
  let pause = 0;
  try {
    const { indexed, head } = filling.step();
    if (indexed >= head) pause = REST_MS;
  } catch (error) {
    // Another process has the file for itself, for a while.
    if ((error as { code?: string }).code !== "SQLITE_BUSY") throw error;
    pause = REST_MS;
  }
  timer = setTimeout(next, pause);
}

parentPort?.once("message", () => {
  clearTimeout(timer);
  filling.close();
});
next();
