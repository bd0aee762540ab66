import { writeFile } from "node:fs/promises";
import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import {
  joinReports,
  junitOf,
  loadPolicies,
  type PolicySource,
  readCaseHead,
  readCases,
  runCases,
  type TestReport,
} from "@callgate/policy";
import { Command } from "commander";
import { againstSources } from "../against.ts";
import { caseSources, namedCases, policyFileOf } from "../case-files.ts";
import { configOf, withConfig } from "../configuration.ts";
import { EXIT } from "../output.ts";
import { casePlaceOf, policySetOf, refuseWrong } from "../policies.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly junit?: string;
  readonly cover?: boolean;
  readonly json?: boolean;
}

/** `callgate policy test`: runs cases against the policies of a configuration, or against those that their own file names. */
export function testCommand(): Command {
  return withConfig(new Command("test"))
    .description("run the cases beside the policies (`mail.test.yaml` beside `mail.yaml`)")
    .argument("[files...]", "files of cases (default: those beside every policy of the configuration)")
    .option("--junit <file>", "write the results as JUnit XML too")
    .option("--cover", "fail if a rule was not seen both true and false")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nA file that says `against:` needs no configuration.\nEnds with 0 if every case passed, 1 if one did not, 2 if a file is wrong.",
    )
    .action(async (files: string[], options: Options) => {
      const report = await run(files, options);
      if (options.junit !== undefined) await writeFile(options.junit, junitOf(report));
      console.log(options.json ? JSON.stringify(plain(report)) : lines(report).join("\n"));
      const uncovered = options.cover === true && report.coverage.uncovered.length > 0;
      process.exitCode = report.failed > 0 || uncovered ? EXIT.failed : EXIT.done;
    });
}

async function run(files: readonly string[], options: Options): Promise<TestReport> {
  const named = files.length > 0 ? await namedCases(files) : undefined;
  if (named?.every(standsAlone)) return joinReports(await Promise.all(named.map(runAlone)));
  const config = await configOf(options);
  const set = policySetOf(config);
  const sources = named ?? (await caseSources(config));
  if (sources.length === 0)
    throw new CallgateError("BAD_ARGUMENT", "there are no cases", {
      help: "write some in a file beside a policy: `mail.test.yaml` beside `mail.yaml`",
    });
  const place = casePlaceOf(config);
  const read = sources.filter((source) => !standsAlone(source)).map((source) => readCases(source, place));
  refuseWrong(
    read.flatMap((one) => one.diagnostics),
    "the cases",
  );
  const reports = await Promise.all(sources.filter(standsAlone).map(runAlone));
  const cases = read.flatMap((one) => one.cases);
  // Packs come with cases of their own.
  const own = runCases(set, cases, ({ file }) => !file.startsWith("pack:"));
  return joinReports(read.length > 0 ? [own, ...reports] : reports);
}

function standsAlone(source: PolicySource): boolean {
  return readCaseHead(source).against !== undefined;
}

/** Runs a file against the policies that it names, with its own tools and settings. What is covered is the policy file that it stands beside. */
async function runAlone(source: PolicySource): Promise<TestReport> {
  const head = readCaseHead(source);
  refuseWrong(head.diagnostics, "the cases");
  const sources = await againstSources(source.file, head.against ?? []);
  const loaded = loadPolicies(sources, head.tools, head.settings);
  if (!loaded.ok) refuseWrong(loaded.diagnostics, "the policies");
  const read = readCases(source, { tools: [] });
  refuseWrong(read.diagnostics, "the cases");
  if (!loaded.ok) return joinReports([]);
  const beside = policyFileOf(source.file);
  const isBeside = sources.some(({ file }) => file === beside);
  return runCases(loaded.set, read.cases, ({ file }) => !isBeside || file === beside);
}

function plain({ results, failed, coverage }: TestReport): object {
  const cases = results.map(({ test, problems }) => ({
    name: test.name,
    file: test.span.file,
    line: test.span.line,
    ok: problems.length === 0,
    problems,
  }));
  return { ok: failed === 0, passed: results.length - failed, failed, cases, coverage };
}

function lines({ results, failed, coverage }: TestReport): string[] {
  const failures = results.flatMap(({ test, problems }) =>
    problems.length === 0
      ? []
      : [
          `FAILED ${printable(test.span.file)}:${test.span.line}: ${printable(test.name)}`,
          ...problems.map((problem) => `  ${printable(problem)}`),
        ],
  );
  const unseen = coverage.uncovered.map(({ rule, missing }) => `  \`${rule}\` was never ${missing.join(" or ")}`);
  return [
    ...failures,
    `${results.length - failed} passed, ${failed} failed; ${coverage.covered} of ${coverage.rules} rules seen from both sides`,
    ...unseen,
  ];
}
