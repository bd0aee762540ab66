import { type PolicySummary, Rollout } from "@callgate/policy";
import { Command } from "commander";
import { callFilterOf, examplesOf, withCallFilter } from "../call-filter.ts";
import { configOf, withConfig } from "../configuration.ts";
import { policySetOf } from "../policies.ts";
import { openTellingReader } from "../reader.ts";
import { progressOf } from "../render/progress.ts";
import { toolName } from "../render/records.ts";
import { rolloutLines } from "../render/rollout.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly since?: string;
  readonly until?: string;
  readonly agent?: string;
  readonly tool?: string;
  readonly examples: string;
  readonly json?: boolean;
}

/** `callgate policy rollout`: what policies on trial made of the calls that were recorded while they were. */
export function rolloutCommand(): Command {
  return withCallFilter(withConfig(new Command("rollout")))
    .description(
      "what policies on trial did: how often those in `observe` held, what those in `shadow` would have changed",
    )
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const examples = examplesOf(options.examples);
      const config = await configOf(options);
      const set = policySetOf(config);
      const reader = openTellingReader(config.data);
      try {
        const rollout = new Rollout(toolName, examples);
        const filter = { ...callFilterOf(options), kind: ["intent", "denial", "approval", "outcome"], payloads: [] };
        for (const { record } of reader.calls(filter, progressOf("records"))) rollout.add(record);
        const report = rollout.report();
        const named = new Set([
          ...report.observed.map(({ rule }) => rule),
          ...report.differences.flatMap(({ rules }) => rules),
        ]);
        const silent = set.policies.filter((policy) => onTrial(policy) && !named.has(policy.id));
        if (options.json) console.log(JSON.stringify({ ...report, silent: silent.map(({ id }) => id) }));
        else console.log(rolloutLines(report, silent).join("\n"));
      } finally {
        reader.close();
      }
    });
}

function onTrial({ mode, canary }: PolicySummary): boolean {
  return mode !== "enforce" || canary !== undefined;
}
