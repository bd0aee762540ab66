import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { type Diagnostic, formatDiagnostic } from "@callgate/core";
import { loadConfig } from "../config/index.ts";
import { dataFolderOf } from "../setup/data-folder.ts";
import { lookAtClock, lookAtData } from "./data.ts";
import { type Checkup, checkup } from "./finding.ts";
import { lookAtNode, lookAtSandbox } from "./machine.ts";
import { lookAtSettings } from "./settings.ts";

export interface Examination {
  /** True if nothing that is required is missing. */
  readonly well: boolean;
  readonly checks: readonly Checkup[];
}

/**
 * Looks at the machine, the data folder and the configuration, and starts nothing but one worker of the sandbox, which it ends. Without
 * a configuration the machine alone is looked at. Asks nothing over the network.
 */
export async function examine(options: {
  readonly config: string;
  /** Whether a person named the configuration, so that it has to be there. */
  readonly isNamed?: boolean;
  readonly data?: string;
}): Promise<Examination> {
  const file = resolve(options.config);
  const data = options.data === undefined ? {} : { data: options.data };
  if (!(await stat(file).catch(() => undefined))) {
    const checks = [
      ...lookAtNode(),
      ...(await lookAtSandbox(undefined)),
      ...(options.data === undefined ? [] : await lookAtData(resolve(options.data))),
      checkup(
        "configuration",
        options.isNamed ? "fail" : "warn",
        `there is none at ${file}`,
        "name one with `--config`",
      ),
    ];
    return { well: isWell(checks), checks };
  }
  const loaded = await loadConfig(file, data);
  const config = loaded.ok ? loaded.config : undefined;
  const folder = config?.data ?? (await dataOf(file, options.data));
  const n = loaded.ok ? 0 : loaded.diagnostics.length;
  const checks = [
    ...lookAtNode(),
    ...(await lookAtSandbox(config)),
    loaded.ok
      ? checkup("configuration", "ok", `${file} loads`)
      : checkup(
          "configuration",
          "fail",
          `${file} does not load: ${n} ${n === 1 ? "problem" : "problems"}; the first: ${shown(loaded.diagnostics[0])}`,
          "run `callgate check`",
        ),
    ...loaded.warnings.map((warning) => checkup("configuration", "warn", shown(warning), warning.help)),
    ...(await exposed(file, loaded.ok && loaded.config.secrets.some((secret) => secret.source === "config"))),
    ...(folder === undefined ? [] : [...(await lookAtData(folder)), await lookAtClock(folder)]),
    ...(config === undefined ? [] : lookAtSettings(config)),
  ];
  return { well: isWell(checks), checks };
}

const isWell = (checks: readonly Checkup[]): boolean => checks.every((c) => c.health !== "fail");

function shown(diagnostic: Diagnostic | undefined): string {
  if (!diagnostic) return "unknown";
  const { help: _, ...place } = diagnostic;
  return formatDiagnostic(place);
}

async function dataOf(file: string, given: string | undefined): Promise<string | undefined> {
  if (given !== undefined) return resolve(given);
  return await dataFolderOf(file).catch(() => undefined);
}

/** A configuration in which secrets are written out, and that others can read. */
async function exposed(file: string, holdsSecrets: boolean): Promise<Checkup[]> {
  const mode = (await stat(file)).mode & 0o777;
  if (!holdsSecrets || (mode & 0o044) === 0) return [];
  return [
    checkup(
      "configuration access",
      "warn",
      `${file} holds secrets and other users can read it (mode ${mode.toString(8)})`,
      `run \`chmod 600 ${file}\`, or read the secrets with \`\${env:NAME}\``,
    ),
  ];
}
