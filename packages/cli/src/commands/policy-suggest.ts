import { writeFile } from "node:fs/promises";
import { CallgateError, messageOf } from "@callgate/core";
import { printable, toolFactsOf } from "@callgate/gateway";
import type { LedgerReader } from "@callgate/ledger";
import { type SuggestReport, suggestPolicies } from "@callgate/policy";
import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { callFilterOf } from "../call-filter.ts";
import { configOf, withConfig } from "../configuration.ts";
import { policySetOf } from "../policies.ts";
import { openTellingReader } from "../reader.ts";
import { progressOf } from "../render/progress.ts";
import { agentsNamed } from "./policy-reach.ts";
import { folderOf } from "./policy-simulate.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly from?: string;
  readonly agent?: string;
  readonly tool?: string;
  readonly since?: string;
  readonly until?: string;
  readonly minCalls: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** `callgate policy suggest`: the permits that allow what agents did, and little more. */
export function suggestCommand(): Command {
  return withConfig(new Command("suggest"))
    .description(
      "draft permits from the calls of a ledger: per agent and tool, with the bounds that its arguments kept to",
    )
    .option("--from <folder>", "the data folder whose ledger is read (default: the configuration's)")
    .option("--agent <name>", "only this agent's calls; `*` and `?` stand for any characters")
    .option("--tool <name>", "only calls of this tool, as in `mail__*`")
    .option("--since <time>", "only calls from then on: 2026-03-01T12:00:00Z, or how long ago: 90s, 15m, 2h, 7d")
    .option("--until <time>", "only calls up to then")
    .option("--min-calls <n>", "how often something must have been seen before it becomes a bound", "3")
    .option("--out <file>", "write the policies to a new file (default: print them)")
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const least = wholeOf("--min-calls", options.minCalls);
      const config = await configOf(options);
      policySetOf(config);
      const agents = agentsNamed(config, options.agent ?? "*");
      const { policies, settings } = config;
      const place = { tools: toolFactsOf(config), agents, policies, settings };
      const reader = openTellingReader(options.from === undefined ? config.data : folderOf(options.from));
      try {
        const complete = options.tool === undefined;
        const report = suggestPolicies(recordsOf(reader, options), place, { least: Math.max(1, least), complete });
        if (report.calls === 0)
          throw new CallgateError("NOTHING_TO_LEARN", `there is no call to learn from${reasons(report)}`, {
            help: "calls count that were made, ended well, and whose arguments were kept",
          });
        await give(report, options);
      } finally {
        reader.close();
      }
    });
}

/** The calls with their outcomes, anew each time. */
function recordsOf(reader: LedgerReader, options: Options): () => ReturnType<LedgerReader["calls"]> {
  const scan = reader.calls({ ...callFilterOf(options), kind: ["intent", "outcome"] }, progressOf("records"));
  return () => scan;
}

async function give(report: SuggestReport, { out, json }: Options): Promise<void> {
  const { text, ...plain } = report;
  if (out !== undefined) await writeNew(out, text);
  if (json) console.log(JSON.stringify({ ...plain, ...(out === undefined ? { text } : { file: out }) }));
  else if (out === undefined) process.stdout.write(text);
  else
    console.log(`${out}: ${report.suggestions.length} policies, which allow all ${report.calls} calls they come from`);
  if (!json && report.passedOver.length > 0) console.error(printable(`not learned from${reasons(report)}`));
}

function reasons({ passedOver }: SuggestReport): string {
  return passedOver.map(({ reason, calls }, i) => `${i === 0 ? ": " : ", "}${calls} because ${reason}`).join("");
}

async function writeNew(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new CallgateError(
      "BAD_ARGUMENT",
      `\`${file}\` cannot be written: ${exists ? "it is there already" : messageOf(error)}`,
    );
  }
}
