import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { formatDiagnostic } from "@callgate/core";
import { onTestFinished } from "vitest";
import { type Config, type LoadOptions, loadConfig } from "../src/config/index.ts";

/** A folder with these files, removed after the test. */
export async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "callgate-config-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
  return dir;
}

/** Loads `callgate.yaml` of a folder, or fails the test with what is wrong. */
export async function loaded(dir: string, options?: LoadOptions): Promise<Config> {
  const result = await loadConfig(join(dir, "callgate.yaml"), options);
  if (!result.ok) throw new Error(result.diagnostics.map(formatDiagnostic).join("\n"));
  return result.config;
}
