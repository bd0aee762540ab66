import { Command } from "commander";
import { codePlanCommand } from "./code-plan.ts";
import { codeReplayCommand } from "./code-replay.ts";

/** `callgate code`: scripts of agents, before they run and afterwards. */
export function codeCommand(): Command {
  return new Command("code")
    .description("scripts that agents write: what one can reach, and what a recorded one did")
    .addCommand(codePlanCommand())
    .addCommand(codeReplayCommand());
}
