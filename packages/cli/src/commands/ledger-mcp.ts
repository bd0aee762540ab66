import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import { todayOf } from "../incident/today.ts";
import { openTellingReader } from "../reader.ts";
import { reviewServer } from "../review/server.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly payloads?: boolean;
  readonly anchor?: string[];
  readonly witnessVkey?: string[];
  readonly vkey?: string;
}

/** `callgate ledger mcp`: the ledger for an agent that reviews incidents, over stdin and stdout. */
export function ledgerMcpCommand(): Command {
  const several = (value: string, before: string[] = []): string[] => [...before, value];
  return withConfig(new Command("mcp"))
    .description(
      "serve the ledger to a reviewing agent over MCP (stdin and stdout): tools that look and change nothing",
    )
    .option("--payloads", "let it read arguments and results, and search for their words")
    .option("--anchor <where>", "what `verify` holds the ledger against; may be repeated", several)
    .option("--witness-vkey <key>", "the verifier key of a witness among the anchors; may be repeated", several)
    .option("--vkey <key>", "the log's verifier key, or a file that holds it")
    .action(async (options: Options) => {
      const folder = await dataFolder(options);
      const reader = openTellingReader(folder);
      const desk = {
        reader,
        folder,
        payloads: options.payloads === true,
        anchors: options.anchor ?? [],
        witnessKeys: options.witnessVkey ?? [],
        vkey: options.vkey,
        today: () => todayOf(options),
      };
      const ended = new Promise<void>((resolve) => {
        process.stdin.once("end", resolve);
        process.stdin.once("close", resolve);
        process.once("SIGTERM", resolve);
        process.once("SIGINT", resolve);
      });
      const served = serveStdio(() => reviewServer(desk));
      await ended;
      await served.close();
      reader.close();
      process.exit(0);
    });
}
