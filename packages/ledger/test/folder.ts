import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A data folder that goes with the test. */
export function dataFolder(): string {
  const root = mkdtempSync(join(tmpdir(), "callgate-ledger-"));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  return join(root, "data");
}
