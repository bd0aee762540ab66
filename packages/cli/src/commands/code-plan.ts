import { stringifyJson } from "@callgate/core";
import { Command } from "commander";
import { reachOf } from "../code/reach.ts";
import { scriptFile } from "../code/script-file.ts";
import { configOf } from "../configuration.ts";
import { reachLines } from "../render/code-plan.ts";

interface Options {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** `callgate code plan`: what a script can reach, before anybody runs it. */
export function codePlanCommand(): Command {
  return new Command("plan")
    .description("read a script without running it: which tools it calls, where, and with which arguments in its text")
    .argument("<file>", "the script: the body of an async function, in JavaScript or TypeScript")
    .option("-c, --config <file>", "a configuration: which of the tools there are, and what they do")
    .option("--data <folder>", "the data folder, in place of the configuration's")
    .option("--json", "print JSON")
    .action(async (file: string, options: Options) => {
      const { config: named, data } = options;
      const { plan } = await scriptFile(file);
      const config =
        named === undefined ? undefined : await configOf({ config: named, ...(data !== undefined && { data }) });
      const reach = reachOf(plan, config);
      console.log(options.json ? stringifyJson(reach) : reachLines(reach).join("\n"));
    });
}
