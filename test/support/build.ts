import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** Before any test: builds the command line as it is published. It starts faster than the sources, and it is what people run. */
export async function setup(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, "../../scripts/package.ts")]);
}
