import { CallgateError, formatDiagnostic } from "@callgate/core";
import { type Config, loadConfig, printableLines } from "@callgate/gateway";
import { holdFileKey } from "@callgate/ledger";
import type { Command } from "commander";

/** Adds `--config` and `--data`, which every command that needs a configuration has. */
export function withConfig(command: Command): Command {
  return command
    .option("-c, --config <file>", "the configuration", "callgate.yaml")
    .option("--data <folder>", "the data folder, in place of the configuration's");
}

/** Adds `--key-file` to all commands of a group that read a data folder. */
export function withKeyFile(group: Command): Command {
  for (const command of group.commands)
    command.option(
      "--key-file <file>",
      "the key of an encrypted ledger (default: CALLGATE_LEDGER_KEY, or the configuration's)",
    );
  return group;
}

/** Loads the configuration that the options name. Warnings go to stderr. Throws `CONFIG_INVALID` with every diagnostic. */
export async function configOf(
  options: { config: string; data?: string },
  manifests: "read" | "skip" = "read",
): Promise<Config> {
  const loaded = await loadConfig(options.config, {
    manifests,
    ...(options.data !== undefined && { data: options.data }),
  });
  for (const warning of loaded.warnings) console.error(printableLines(`warning: ${formatDiagnostic(warning)}`));
  if (loaded.ok) {
    const { data, ledger } = loaded.config;
    if (ledger.encryption) holdFileKey(data, ledger.encryption.key.reveal());
    return loaded.config;
  }
  const n = loaded.diagnostics.length;
  throw new CallgateError("CONFIG_INVALID", `${n} ${n === 1 ? "problem" : "problems"} in the configuration`, {
    diagnostics: loaded.diagnostics,
  });
}
