import { type Diagnostic, formatDiagnostic, stringifyJson } from "@callgate/core";
import {
  type Config,
  changedFields,
  draftModule,
  loadConfig,
  type ModuleRegistration,
  type ModuleTool,
  printable,
  printableLines,
  writeModule,
} from "@callgate/gateway";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { secondsOf } from "../duration.ts";
import { EXIT, table } from "../output.ts";
import { detail } from "./pin.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly server: string;
  readonly allowHost: readonly string[];
  readonly allowCall: readonly string[];
  readonly dryRun?: boolean;
  readonly timeout: string;
  readonly json?: boolean;
}

const several = (text: string, before: readonly string[]): string[] => [...before, text];

/** `callgate tool register`: bundles a module and makes it a server of the configuration. */
export function toolRegisterCommand(): Command {
  return withConfig(new Command("register"))
    .description("bundle a module, pin it, draft its manifest, and make it a server of the configuration")
    .argument("<entry>", "the module's file, or its folder")
    .requiredOption("--server <name>", "the server's name: agents see its tools as `<name>__<tool>`")
    .option("--allow-host <host>", "a host that it may fetch from; can be repeated", several, [])
    .option("--allow-call <tool>", "a tool that it may call, as `server__tool` or a glob; can be repeated", several, [])
    .option("--dry-run", "say what would change and write nothing")
    .option("--timeout <time>", "how long the module may take to say what its tools are", "10s")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nRun it again after a change: the manifest keeps what you wrote, and what changed is shown. Ends with 1 if the configuration does not load afterwards.",
    )
    .action(async (entry: string, options: Options) => {
      const config = await configOf(options, "skip");
      const registration = await draftModule(config, {
        entry,
        server: options.server,
        hosts: options.allowHost,
        calls: options.allowCall,
        wall: secondsOf(options.timeout) * 1000,
      });
      const written = options.dryRun !== true;
      if (written) await writeModule(config, registration);
      const problems = written ? await problemsOf(options) : [];
      if (options.json) console.log(stringifyJson({ ...asJson(registration, written), problems }));
      else {
        const isWidened = options.allowHost.length > 0 || options.allowCall.length > 0;
        for (const line of report(config, registration, written, isWidened)) console.log(line);
      }
      if (problems.length === 0) return;
      process.exitCode = EXIT.failed;
      console.error("the configuration does not load yet:");
      for (const problem of problems) console.error(printableLines(formatDiagnostic(problem)));
    });
}

/** Why the configuration does not load as it is now: a manifest has to fit the others, and the policies. */
async function problemsOf({ config, data }: Options): Promise<readonly Diagnostic[]> {
  const loaded = await loadConfig(config, data === undefined ? {} : { data });
  return loaded.ok ? [] : loaded.diagnostics;
}

function report(config: Config, registration: ModuleRegistration, written: boolean, isWidened: boolean): string[] {
  const { server, bundle, manifest, configuration, tools, reach, unmet } = registration;
  const drafted = tools.filter((t) => t.draft);
  const changed = tools.filter((t) => t.state === "changed");
  const gone = tools.filter((t) => t.state === "gone");
  const lacking = [...new Set(drafted.flatMap((t) => t.draft?.scopes ?? []))].filter(
    (scope) => !Object.values(config.agents).some((agent) => agent.scopes.includes(scope)),
  );
  const isSame = bundle.before === bundle.digest;
  return [
    table(
      ["tool", "state", "effects", "scopes", "what it says of itself"],
      tools.map((t) => [
        printable(t.tool),
        t.state,
        t.draft?.effects.join(", ") ?? "",
        t.draft?.scopes.join(" ") ?? "",
        t.draft?.note ?? "",
      ]),
      [undefined, undefined, undefined, undefined, 60],
    ),
    ...changed.map((t) => detail(shownTool(t))),
    "",
    `bundle    ${bundle.file}: ${bundle.bytes} bytes of ${bundle.inputs.join(", ")}`,
    isSame
      ? `digest    ${bundle.digest}, as before`
      : `digest    ${bundle.digest}${bundle.before === undefined ? "" : `\n  before  ${bundle.before}`}`,
    `manifest  ${manifest.file}${manifest.isNew ? "" : ": what you wrote in it stays"}`,
    ...(configuration ? [`added     servers.${server} in ${configuration.file}`] : []),
    `hosts     ${reach.hosts.join(", ") || "none: it cannot fetch"}`,
    `calls     ${reach.calls.join(", ") || "none: it cannot call other tools"}`,
    "",
    ...(manifest.isNew
      ? [
          "Read the manifest before you trust it: the scopes and effects of each tool, the hosts, the calls, the budgets.",
        ]
      : []),
    ...(isWidened && !manifest.isNew
      ? ["Its code may reach more now: look again at the effects of its tools in the manifest."]
      : []),
    ...asked("--allow-host", "fetch from", unmet.hosts),
    ...asked("--allow-call", "call", unmet.calls),
    ...gone.map((t) => `The module has no \`${printable(t.tool)}\` any more: remove it from the manifest.`),
    ...(lacking.length > 0
      ? [
          `No agent has ${lacking.map((s) => `\`${s}\``).join(" or ")} yet: add them under \`agents\` or \`roles\` in ${config.file}`,
        ]
      : []),
    ...(written ? [] : ["nothing was written"]),
  ];
}

function asked(option: string, what: string, wishes: readonly string[]): string[] {
  if (wishes.length === 0) return [];
  const options = wishes.map((wish) => `${option} '${printable(wish)}'`).join(" ");
  return [
    `Its author says that it has to ${what} ${wishes.map(printable).join(", ")}, which its manifest does not let it: ${options}`,
  ];
}

/** As `callgate pin` shows what changed in a definition. */
function shownTool({ tool, before, now }: ModuleTool): Parameters<typeof detail>[0] {
  return { tool, state: "drifted", ...(before && { before }), ...(now && { now }) };
}

function asJson({ bundle, manifest, configuration, tools, ...rest }: ModuleRegistration, written: boolean): object {
  const { code: _, ...kept } = bundle;
  return {
    written,
    ...rest,
    bundle: kept,
    manifest: { file: manifest.file, isNew: manifest.isNew },
    ...(configuration && { configuration: configuration.file }),
    tools: tools.map((t) => ({ ...t, ...(t.before && t.now && { changes: changedFields(t.before, t.now) }) })),
  };
}
