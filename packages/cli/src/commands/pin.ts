import { CallgateError, messageOf, stringifyJson } from "@callgate/core";
import { acceptCompared, type Config, changedFields, comparePins, type PinnedTool, printable } from "@callgate/gateway";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { secondsOf } from "../duration.ts";
import { EXIT, table } from "../output.ts";
import { definitionLines, diffLines } from "../render/diff.ts";
import { failureOf, serverOf } from "./register.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly accept?: boolean;
  readonly timeout: string;
  readonly json?: boolean;
}

type Server = Config["servers"][string];

interface Looked {
  readonly server: Server;
  readonly tools: readonly PinnedTool[];
  readonly accepted: readonly PinnedTool[];
  readonly error?: Error;
}

/** `callgate pin`: compares what servers offer with what their manifests pin, and accepts what changed. */
export function pinCommand(): Command {
  return withConfig(new Command("pin"))
    .description("show which tools differ from their pinned definitions, and how; accept them with --accept")
    .argument("[server]", "one server; otherwise all")
    .argument("[tool...]", "some of its tools, with --accept; otherwise all that differ")
    .option("--accept", "pin what is offered now")
    .option("--timeout <time>", "how long a server may take to start and list its tools", "30s")
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 1 if something differs and was not accepted, or a server could not be asked.")
    .action(async (name: string | undefined, tools: string[], options: Options) => {
      // Read before the manifests: one that lacks a digest does not load, and this is how it gets one.
      const config = await configOf(options, "skip");
      if (options.accept && name === undefined)
        throw new CallgateError("BAD_ARGUMENT", "`--accept` needs a server", {
          help: `name one of: ${Object.keys(config.servers).join(", ")}`,
        });
      if (!options.accept && tools.length > 0)
        throw new CallgateError("BAD_ARGUMENT", "tools are named with `--accept`", {
          help: `run \`callgate pin ${name}\` to see all of them`,
        });
      const servers = name === undefined ? Object.values(config.servers) : [serverOf(config, name)];
      const timeout = secondsOf(options.timeout) * 1000;
      const looked = await Promise.all(
        servers.map((server) => look(config, server, timeout, options.accept ? tools : undefined)),
      );
      const [only] = looked;
      // Of one server the whole error, with its help and exit code.
      if (looked.length === 1 && only?.error !== undefined) throw only.error;
      if (options.json) console.log(stringifyJson(looked.map(asJson)));
      else console.log(looked.map((l) => report(l, options.accept === true)).join("\n\n"));
      if (looked.some((l) => l.error !== undefined || l.tools.some((t) => differs(t) && !l.accepted.includes(t))))
        process.exitCode = EXIT.failed;
    });
}

async function look(
  config: Config,
  server: Server,
  timeout: number,
  accept: readonly string[] | undefined,
): Promise<Looked> {
  try {
    const tools = await comparePins(config, server, timeout);
    return { server, tools, accepted: accept ? await acceptCompared(config, server, tools, accept) : [] };
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(messageOf(thrown));
    return { server, tools: [], accepted: [], error };
  }
}

function differs({ state }: PinnedTool): boolean {
  return state === "drifted" || state === "unpinned";
}

function report({ server, tools, accepted, error }: Looked, accepting: boolean): string {
  if (error !== undefined) {
    const { message, help } = failureOf(error);
    return `${server.name}: ${message}${help === undefined ? "" : `\n  help: ${help}`}`;
  }
  const rows = tools.map((t) => [
    printable(t.tool),
    accepted.includes(t) ? "accepted" : t.state,
    short(t.pinned),
    short(t.offered),
  ]);
  const details = tools.filter((t) => differs(t) || accepted.includes(t)).map(detail);
  const open = tools.filter((t) => differs(t) && !accepted.includes(t));
  const fresh = tools.filter((t) => t.state === "new").length;
  const gone = tools.filter((t) => t.state === "missing").length;
  const notes = [
    ...(open.length > 0
      ? [
          `${open.length} cannot be called until accepted: read what changed, then run \`callgate pin --accept ${server.name}${open.length === 1 ? ` ${printable(open[0]?.tool ?? "")}` : ""}\``,
        ]
      : []),
    ...(accepting
      ? [accepted.length > 0 ? `${accepted.length} accepted in ${server.manifest.file}` : "nothing to accept"]
      : []),
    ...(fresh > 0
      ? [
          `${fresh} not in the manifest, so that no agent can call ${fresh === 1 ? "it" : "them"}: draft with \`callgate register ${server.name} --add\``,
        ]
      : []),
    ...(gone > 0 ? [`${gone} in the manifest that the server does not offer`] : []),
  ];
  return [
    `${server.name}\n`,
    table(["tool", "state", "pinned", "offered"], rows),
    ...details,
    ...(notes.length > 0 ? [`\n${notes.join("\n")}`] : []),
  ].join("\n");
}

/** What changed in one tool: field by field if the accepted definition is known, otherwise all of the offered one. */
export function detail({ tool, before, now }: PinnedTool): string {
  if (!now) return "";
  const title = `\n${printable(tool)}:`;
  if (!before)
    return [
      `${title} the accepted definition is not known; this is what is offered`,
      ...definitionLines(now).map((l) => `    ${l}`),
    ].join("\n");
  const changes = changedFields(before, now).flatMap((c) => [
    `  ${c.field}`,
    ...diffLines(c.before, c.now).map((l) => `    ${l}`),
  ]);
  return [title, ...changes].join("\n");
}

function short(digest: string | undefined): string {
  return digest === undefined ? "-" : digest.slice(0, 19);
}

function asJson({ server, tools, accepted, error }: Looked): unknown {
  const listed = tools.map((t) => ({
    ...t,
    ...(accepted.includes(t) && { accepted: true }),
    ...(t.before && t.now && { changes: changedFields(t.before, t.now) }),
  }));
  return { server: server.name, tools: listed, ...(error !== undefined && { error: failureOf(error) }) };
}
