import { basename, dirname, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import { CHANGES, Simulation, type SimulationReport } from "@callgate/policy";
import { Command } from "commander";
import { callFilterOf, examplesOf, withCallFilter } from "../call-filter.ts";
import { configOf, withConfig } from "../configuration.ts";
import { EXIT, fail } from "../output.ts";
import { casePlaceOf, policySetOf } from "../policies.ts";
import { policySources } from "../policy-files.ts";
import { openTellingReader } from "../reader.ts";
import { progressOf } from "../render/progress.ts";
import { simulationLines } from "../render/simulation.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly against?: string;
  readonly policies?: string[];
  readonly since?: string;
  readonly until?: string;
  readonly agent?: string;
  readonly tool?: string;
  readonly examples: string;
  readonly failOn: string;
  readonly json?: boolean;
}

const FAIL_ON = [...CHANGES, "unreplayable"] as const;
type FailOn = (typeof FAIL_ON)[number];

/** `callgate policy simulate`: what a set of policies would have done with the calls of a ledger. */
export function simulateCommand(): Command {
  return withCallFilter(withConfig(new Command("simulate")))
    .description("decide the calls of a ledger again by other policies: what would be newly denied, allowed or asked")
    .option("--against <folder>", "the data folder whose ledger is replayed (default: the configuration's)")
    .option("--policies <files...>", "policy files, globs or packs (`pack:base`) that stand in for the configuration's")
    .option(
      "--fail-on <changes>",
      `which of ${FAIL_ON.join(", ")} fail, with commas between; or none`,
      CHANGES.join(","),
    )
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nEnds with 0 if nothing of `--fail-on` differs, 1 if something does, 2 for everything else.",
    )
    .action(async (options: Options) => {
      try {
        const failOn = parseFailOn(options.failOn);
        const { report, records } = await simulate(options);
        const failing = failuresOf(report, failOn);
        if (options.json) console.log(JSON.stringify({ ok: failing.length === 0, failing, records, ...report }));
        else console.log(simulationLines(report, records).join("\n"));
        process.exitCode = failing.length === 0 ? EXIT.done : EXIT.failed;
      } catch (error) {
        // Whoever waits for 1 waits for a difference: MUST NOT be told of one where nothing was compared.
        fail(error, EXIT.input);
      }
    });
}

async function simulate(options: Options): Promise<{ readonly report: SimulationReport; readonly records: number }> {
  const examples = examplesOf(options.examples);
  const config = await configOf(options);
  const set = policySetOf(config, options.policies && (await policySources(options.policies)));
  const reader = openTellingReader(options.against === undefined ? config.data : folderOf(options.against));
  try {
    const simulation = new Simulation(set, casePlaceOf(config).tools, examples);
    const filter = { ...callFilterOf(options), kind: ["intent", "denial", "approval"] };
    const scan = reader.calls(filter, progressOf("records"));
    for (const { record, payloads } of scan) simulation.add(record, payloads);
    return { report: simulation.report(), records: scan.records };
  } finally {
    reader.close();
  }
}

/** The folder of a ledger that was named by its folder or by its file. */
export function folderOf(named: string): string {
  return basename(named) === "ledger.db" ? dirname(resolve(named)) : resolve(named);
}

function parseFailOn(text: string): FailOn[] {
  if (text === "none") return [];
  return text.split(",").map((word) => {
    const known = FAIL_ON.find((one) => one === word.trim());
    if (known) return known;
    throw new CallgateError("BAD_ARGUMENT", `\`${word}\` in \`--fail-on\` is not known`, {
      help: `use some of ${FAIL_ON.join(", ")}, with commas between, or none`,
    });
  });
}

function failuresOf(report: SimulationReport, on: readonly FailOn[]): FailOn[] {
  return on.filter((one) => (one === "unreplayable" ? report.unreplayable : report.changes[one]) > 0);
}
