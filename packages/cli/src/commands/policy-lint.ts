import { formatDiagnostic } from "@callgate/core";
import { printableLines, toolFactsOf } from "@callgate/gateway";
import { type Finding, lintPolicies } from "@callgate/policy";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { EXIT } from "../output.ts";
import { refuseWrong } from "../policies.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** `callgate policy lint`: policies that load and yet cannot mean what they say. */
export function lintCommand(): Command {
  return withConfig(new Command("lint"))
    .description("find policies that never come into effect, repeat others, or permit too much")
    .option("--strict", "end with 1 if there are errors or warnings")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nEnds with 0, with 1 if `--strict` is given and something is an error or a warning, with 2 if the policies do not load.",
    )
    .action(async (options: Options) => {
      const config = await configOf(options);
      const { agents, settings } = config;
      const linted = lintPolicies(config.policies, { tools: toolFactsOf(config), agents, settings });
      const findings = linted.ok ? linted.findings : [];
      if (!linted.ok) refuseWrong(linted.diagnostics, "the policies");
      const ok = findings.every(({ severity }) => severity === "info");
      if (options.json) console.log(JSON.stringify({ ok, findings: findings.map(plain) }));
      else console.log(lines(findings).join("\n"));
      process.exitCode = options.strict === true && !ok ? EXIT.failed : EXIT.done;
    });
}

function plain({ span, ...finding }: Finding): object {
  return { ...finding, file: span.file, line: span.line, column: span.column };
}

function lines(findings: readonly Finding[]): string[] {
  const told = findings.map(({ severity, code, rule, message, span, help }) => {
    const about = rule === undefined ? "" : `\`${rule}\`: `;
    const text = { message: `${severity}[${code}]: ${about}${message}`, span, ...(help !== undefined && { help }) };
    return printableLines(formatDiagnostic(text));
  });
  if (told.length === 0) return ["nothing found"];
  const count = (severity: Finding["severity"], noun: string): string => {
    const n = findings.filter((finding) => finding.severity === severity).length;
    return `${n} ${noun}${n === 1 ? "" : "s"}`;
  };
  return [...told, [count("error", "error"), count("warning", "warning"), count("info", "note")].join(", ")];
}
