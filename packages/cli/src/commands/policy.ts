import { writeFile } from "node:fs/promises";
import { CallgateError } from "@callgate/core";
import { printable, toolFactsOf } from "@callgate/gateway";
import { junitOf, readCases, runCases, type TestReport } from "@callgate/policy";
import { Command } from "commander";
import { caseSources } from "../case-files.ts";
import { configOf, withConfig } from "../configuration.ts";
import { EXIT } from "../output.ts";
import { policySetOf, refuseWrong } from "../policies.ts";
import { explainCommand } from "./policy-explain.ts";

/** `callgate policy`: tools for people who write policies. */
export function policyCommand(): Command {
  return new Command("policy")
    .description("try policies and see why they decide as they do")
    .addCommand(testCommand())
    .addCommand(explainCommand());
}

interface TestOptions {
  readonly config: string;
  readonly data?: string;
  readonly junit?: string;
  readonly cover?: boolean;
  readonly json?: boolean;
}

function testCommand(): Command {
  return withConfig(new Command("test"))
    .description("run the cases beside the policies (`mail.test.yaml` beside `mail.yaml`)")
    .argument("[files...]", "files of cases (default: those beside every policy of the configuration)")
    .option("--junit <file>", "write the results as JUnit XML too")
    .option("--cover", "fail if a rule was not seen both true and false")
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 0 if every case passed, 1 if one did not, 2 if a file is wrong.")
    .action(async (files: string[], options: TestOptions) => {
      const config = await configOf(options);
      const set = policySetOf(config);
      const sources = await caseSources(config, files);
      if (sources.length === 0)
        throw new CallgateError("BAD_ARGUMENT", "there are no cases", {
          help: "write some in a file beside a policy: `mail.test.yaml` beside `mail.yaml`",
        });
      const read = sources.map((source) => readCases(source, toolFactsOf(config), config.agents));
      refuseWrong(
        read.flatMap((one) => one.diagnostics),
        "the cases",
      );
      const report = runCases(
        set,
        read.flatMap((one) => one.cases),
      );
      if (options.junit !== undefined) await writeFile(options.junit, junitOf(report));
      console.log(options.json ? JSON.stringify(plain(report)) : lines(report).join("\n"));
      const uncovered = options.cover === true && report.coverage.uncovered.length > 0;
      process.exitCode = report.failed > 0 || uncovered ? EXIT.failed : EXIT.done;
    });
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
