import { Command } from "commander";
import { toolNewCommand } from "./tool-new.ts";
import { toolRegisterCommand } from "./tool-register.ts";
import { toolTestCommand } from "./tool-test.ts";

/** `callgate tool`: tools of one's own, which run in the sandbox. */
export function toolCommand(): Command {
  return new Command("tool")
    .description("write, test and register tools that run in the sandbox")
    .addCommand(toolNewCommand())
    .addCommand(toolTestCommand())
    .addCommand(toolRegisterCommand());
}
