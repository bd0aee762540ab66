import { examine, printable } from "@callgate/gateway";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { EXIT } from "../output.ts";

const WORDS = { ok: "ok  ", warn: "warn", fail: "FAIL" } as const;

/** `callgate doctor`: what is in force on this machine, and what is missing. */
export function doctorCommand(): Command {
  return withConfig(new Command("doctor"))
    .description(
      "look at the machine, the sandbox's layers, the data folder and the configuration, and say what is missing",
    )
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 1 if something that is required is missing. Warnings do not count.")
    .action(async (options: { config: string; data?: string; json?: boolean }, command: Command) => {
      const isNamed = command.getOptionValueSource("config") === "cli";
      const { well, checks } = await examine({ ...options, isNamed });
      if (!well) process.exitCode = EXIT.failed;
      if (options.json) return console.log(JSON.stringify({ well, checks }));
      const width = Math.max(...checks.map((c) => c.check.length));
      for (const { check, health, detail, help } of checks) {
        console.log(`${WORDS[health]}  ${printable(check).padEnd(width)}  ${printable(detail)}`);
        if (help !== undefined) console.log(`${" ".repeat(width + 8)}help: ${printable(help)}`);
      }
      const of = (health: string): number => checks.filter((c) => c.health === health).length;
      const warnings = of("warn");
      console.log(
        `\n${well ? "nothing that is required is missing" : `${of("fail")} required and missing`}, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`,
      );
    });
}
