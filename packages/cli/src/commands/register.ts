import { CallgateError, messageOf } from "@callgate/core";
import {
  type Config,
  draftRegistration,
  printable,
  type RegisterMode,
  type Registration,
  scopesOf,
  writeRegistration,
} from "@callgate/gateway";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { secondsOf } from "../duration.ts";
import { table } from "../output.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly stdout?: boolean;
  readonly force?: boolean;
  readonly add?: boolean;
  readonly timeout: string;
  readonly json?: boolean;
}

/** `callgate register`: drafts a server's manifest from what it offers. */
export function registerCommand(): Command {
  return withConfig(new Command("register"))
    .description("connect to a server of the configuration and draft its manifest, with every definition pinned")
    .argument("<server>", "the server, as the configuration names it")
    .option("--write", "write the manifest to its place (the default)")
    .option("--stdout", "print the manifest and write nothing")
    .option("--add", "add the tools that the manifest does not name yet, and leave the rest as it is")
    .option("--force", "write a manifest anew that is there already")
    .option("--timeout <time>", "how long the server may take to start and list its tools", "30s")
    .option("--json", "print JSON")
    .action(async (name: string, options: Options) => {
      const config = await configOf(options, "skip");
      const server = serverOf(config, name);
      const mode: RegisterMode = options.add ? "add" : options.force || options.stdout ? "replace" : "new";
      const registration = await draftRegistration(config, server, {
        mode,
        timeout: secondsOf(options.timeout) * 1000,
      });
      if (!options.stdout) await writeRegistration(config, registration);
      if (options.json) console.log(JSON.stringify(asJson(registration, !options.stdout)));
      else if (options.stdout) {
        process.stdout.write(registration.text);
        for (const line of leftOutLines(registration)) console.error(line);
      } else for (const line of report(config, registration, mode)) console.log(line);
    });
}

/** The server that a command names. Throws `BAD_ARGUMENT`. */
export function serverOf(config: Config, name: string): Config["servers"][string] {
  const server = Object.hasOwn(config.servers, name) ? config.servers[name] : undefined;
  if (server) return server;
  throw new CallgateError("BAD_ARGUMENT", `there is no server \`${name}\``, {
    help: `the configuration has: ${Object.keys(config.servers).join(", ") || "none"}`,
  });
}

function report(config: Config, registration: Registration, mode: RegisterMode): string[] {
  const { draft, file } = registration;
  const tools = Object.entries(draft.tools);
  const leftOut = leftOutLines(registration);
  if (mode === "add" && tools.length === 0)
    return [`\`${draft.server}\` offers nothing that its manifest does not name`, ...leftOut];
  const rows = tools.map(([name, t]) => [name, t.effects.join(", "), t.scopes.join(" "), t.note ?? ""]);
  for (const key of ["resources", "prompts"] as const) {
    const access = draft[key];
    if (access) rows.push([`(${key})`, access.effects.join(", "), access.scopes.join(" "), ""]);
  }
  const lacking = scopesOf(draft).filter(
    (scope) => !Object.values(config.agents).some((agent) => agent.scopes.includes(scope)),
  );
  return [
    table(["tool", "effects", "scopes", "what it says of itself"], rows, [undefined, undefined, undefined, 70]),
    "",
    ...leftOut,
    `drafted ${tools.length} ${tools.length === 1 ? "tool" : "tools"} in ${file}`,
    "Read it before you trust it: it says what the server says of itself.",
    ...(lacking.length > 0
      ? [
          `No agent has ${lacking.map((s) => `\`${s}\``).join(" or ")} yet: add them under \`agents\` or \`roles\` in ${config.file}`,
        ]
      : []),
  ];
}

function leftOutLines({ leftOut }: Registration): string[] {
  return leftOut.map(({ tool, reason }) => `left out \`${printable(tool)}\`: ${printable(reason)}`);
}

function asJson({ file, draft, leftOut }: Registration, written: boolean): unknown {
  return { file, written, ...draft, leftOut };
}

/** What a server's failure is called in a list of several. */
export function failureOf(error: unknown): { readonly code: string; readonly message: string; readonly help?: string } {
  const help = error instanceof CallgateError ? error.help : undefined;
  return {
    code: error instanceof CallgateError ? error.code : "INTERNAL",
    message: messageOf(error),
    ...(help !== undefined && { help }),
  };
}
