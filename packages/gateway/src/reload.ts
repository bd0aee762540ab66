import { type FSWatcher, watch } from "node:fs";
import { CallgateError, formatDiagnostic, messageOf } from "@callgate/core";
import type { Logger } from "pino";
import type { Broker } from "./broker.ts";
import { configWatchPaths, loadConfig } from "./config/index.ts";

const SETTLE_MS = 150;

/**
 * Reloads the broker when a file of its configuration changes, or on SIGHUP. A configuration that does not load changes nothing: the
 * old one stays in force, and the log says what is wrong. Returns how to stop.
 */
export function watchConfig(broker: Broker, log: Logger): () => void {
  let watchers: FSWatcher[] = [];
  let timer: NodeJS.Timeout | undefined;
  let reloading: Promise<void> = Promise.resolve();

  const look = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
    for (const path of configWatchPaths(broker.config)) {
      try {
        const watcher = watch(path, { persistent: false }, soon);
        watcher.on("error", () => {});
        watchers.push(watcher);
      } catch {
        // Gone for a moment, as while an editor saves: the next reload looks again.
      }
    }
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(now, SETTLE_MS);
  };
  const now = (): void => {
    reloading = reloading.then(() => reload(broker, log)).then(look);
  };

  look();
  process.on("SIGHUP", now);
  return () => {
    clearTimeout(timer);
    process.off("SIGHUP", now);
    for (const watcher of watchers) watcher.close();
  };
}

async function reload(broker: Broker, log: Logger): Promise<void> {
  try {
    const loaded = await loadConfig(broker.config.file, { data: broker.config.data });
    for (const warning of loaded.warnings) log.warn(formatDiagnostic(warning));
    if (!loaded.ok)
      throw new CallgateError("CONFIG_INVALID", "the changed configuration does not load", {
        diagnostics: loaded.diagnostics,
      });
    if (loaded.config.digest === broker.config.digest) return;
    await broker.reload(loaded.config);
  } catch (error) {
    const diagnostics = error instanceof CallgateError ? error.diagnostics.map(formatDiagnostic) : [];
    log.error({ diagnostics }, `the old configuration stays in force: ${messageOf(error)}`);
  }
}
