import { CallgateError } from "@callgate/core";
import type { CallFilter } from "@callgate/ledger";
import type { Command } from "commander";
import { timeOf, wholeOf } from "./arguments.ts";

const MAX_EXAMPLES = 1000;

/** Adds the options that say which recorded calls a command goes through, and how many it shows of a kind. */
export function withCallFilter(command: Command): Command {
  return command
    .option("--since <time>", "only calls from then on: 2026-03-01T12:00:00Z, or how long ago: 90s, 15m, 2h, 7d")
    .option("--until <time>", "only calls up to then")
    .option("--agent <name>", "only this agent's; `*` and `?` stand for any characters")
    .option("--tool <name>", "only calls of this tool, as in `mail__*`")
    .option("--examples <n>", "how many records to show of each kind, the newest", "3");
}

/** The ledger's filter that the options make. Throws `BAD_ARGUMENT`. */
export function callFilterOf(options: {
  readonly since?: string;
  readonly until?: string;
  readonly agent?: string;
  readonly tool?: string;
}): CallFilter {
  const { since, until, agent, tool } = options;
  return {
    ...(since !== undefined && { since: timeOf(since) }),
    ...(until !== undefined && { until: timeOf(until) }),
    ...(agent !== undefined && { agent }),
    ...(tool !== undefined && { tool }),
  };
}

/** How many examples, from `--examples`. Throws `BAD_ARGUMENT`. */
export function examplesOf(text: string): number {
  const n = wholeOf("--examples", text);
  if (n <= MAX_EXAMPLES) return n;
  throw new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`--examples\` is over ${MAX_EXAMPLES}`);
}
