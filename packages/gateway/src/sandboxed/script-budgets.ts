import type { Budgets } from "@callgate/sandbox";
import { runBudgets, toRunBudgets } from "../config/run-budgets.ts";
import type { CodeConfig, RunBudgets } from "../config/types.ts";
import { engineBudgets } from "./engine-budgets.ts";
import { lowered } from "./script-run.ts";

/**
 * The ceilings of a script as the sandbox takes them: those of the configuration, or else the defaults, with what the call asked for
 * where that is less. What a broker counts itself (`writes`, `destructive`, `cost`, `depth`) is not among them.
 */
export function scriptBudgets(code: CodeConfig | undefined, asked: Partial<RunBudgets> = {}): Partial<Budgets> {
  return engineBudgets(lowered(code?.budgets ?? toRunBudgets(runBudgets.parse({})), asked));
}
