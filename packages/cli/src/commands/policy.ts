import { Command } from "commander";
import { explainCommand } from "./policy-explain.ts";
import { lintCommand } from "./policy-lint.ts";
import { packsCommand } from "./policy-packs.ts";
import { reachCommand } from "./policy-reach.ts";
import { rolloutCommand } from "./policy-rollout.ts";
import { simulateCommand } from "./policy-simulate.ts";
import { suggestCommand } from "./policy-suggest.ts";
import { testCommand } from "./policy-test.ts";

/** `callgate policy`: tools for people who write policies. */
export function policyCommand(): Command {
  return new Command("policy")
    .description("try policies and see why they decide as they do")
    .addCommand(testCommand())
    .addCommand(lintCommand())
    .addCommand(reachCommand())
    .addCommand(packsCommand())
    .addCommand(explainCommand())
    .addCommand(simulateCommand())
    .addCommand(rolloutCommand())
    .addCommand(suggestCommand());
}
