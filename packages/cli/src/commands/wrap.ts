import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import {
  IDENTITY,
  type Launcher,
  printable,
  type UnwrapReport,
  unwrapClient,
  type WrappedEntry,
  type WrapReport,
  wrapClient,
} from "@callgate/gateway";
import { Command } from "commander";
import { secondsOf } from "../duration.ts";
import { EXIT, table } from "../output.ts";

interface Options {
  readonly undo?: boolean;
  readonly dryRun?: boolean;
  readonly agent?: string;
  readonly home: string;
  readonly timeout: string;
  readonly json?: boolean;
}

const HOME = join(homedir(), ".callgate", "wrapped");

/** `callgate wrap`: puts the servers of a desktop client behind Callgate, and back. */
export function wrapCommand(): Command {
  return new Command("wrap")
    .description("rewrite a client's MCP configuration so that each server runs behind callgate; --undo puts it back")
    .argument("<client-config>", "the client's JSON file: Claude, Cursor, VS Code, Windsurf, Zed")
    .option("--undo", "put back what was wrapped")
    .option("--dry-run", "say what would be done and write nothing")
    .option(
      "--agent <name>",
      "the name that policies and the ledger give the client (default: told by the file's place)",
    )
    .option("--home <folder>", "where the brokers' configurations and ledgers go", HOME)
    .option("--timeout <time>", "how long a server may take to start and list its tools", "60s")
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 1 if a server could not be wrapped; the others are.")
    .action(async (file: string, options: Options) => {
      const dryRun = options.dryRun === true;
      const home = resolve(options.home);
      if (options.undo) {
        const report = await unwrapClient(file, { home, dryRun });
        console.log(options.json ? JSON.stringify(report) : undone(report, dryRun));
        return;
      }
      const report = await wrapClient(file, {
        home,
        launcher: launcher(),
        timeout: secondsOf(options.timeout) * 1000,
        dryRun,
        ...(options.agent !== undefined && { agent: options.agent }),
      });
      const undo = `callgate wrap --undo ${file}${options.home === HOME ? "" : ` --home ${options.home}`}`;
      console.log(options.json ? JSON.stringify(report) : wrapped(report, undo, dryRun));
      if (report.entries.some((e) => e.state === "left")) process.exitCode = EXIT.failed;
    });
}

/** How a client is to start this very program. What npx keeps in its cache may be gone tomorrow: npx fetches it again. */
function launcher(): Launcher {
  const program = realpathSync(process.argv[1] as string);
  if (!/[\\/]_npx[\\/]/.test(program)) return { command: process.execPath, args: [program] };
  const args = ["-y", `callgate@${IDENTITY.version}`];
  return process.platform === "win32" ? { command: "cmd", args: ["/c", "npx", ...args] } : { command: "npx", args };
}

function wrapped({ file, agent, backup, entries }: WrapReport, undo: string, dryRun: boolean): string {
  if (entries.length === 0) return `there is no server in ${file}`;
  const rows = entries.map((e) => [
    printable(e.name),
    e.state,
    e.tools === undefined ? "-" : String(e.tools),
    printable(remark(e)),
  ]);
  const done = entries.filter((e) => e.state === "wrapped");
  const notes = done.flatMap((e) =>
    (e.leftOut ?? []).map((l) => `\`${printable(e.name)}\` without \`${printable(l.tool)}\`: ${printable(l.reason)}`),
  );
  if (dryRun) notes.push("nothing was written");
  else if (backup !== undefined) {
    notes.push(
      `${file} is rewritten; it was kept as ${backup}`,
      `Restart the client. It is the agent \`${agent}\`; \`${undo}\` puts everything back.`,
    );
  }
  return [table(["server", "state", "tools", ""], rows), "", ...notes].join("\n").trimEnd();
}

function remark(entry: WrappedEntry): string {
  if (entry.state === "already") return "behind callgate already";
  if (entry.state === "left") return `as it was: ${entry.reason}`;
  const asks = entry.asked?.length ? `asks before ${entry.asked.join(", ")}; ` : "";
  return `${asks}${entry.folder}`;
}

function undone({ file, entries }: UnwrapReport, dryRun: boolean): string {
  const rows = entries.map((e) => [printable(e.name), e.state, e.reason ?? `its ledger stays in ${e.folder}`]);
  return [
    table(["server", "state", ""], rows),
    "",
    dryRun ? "nothing was written" : `${file} is put back. Restart the client.`,
  ].join("\n");
}
