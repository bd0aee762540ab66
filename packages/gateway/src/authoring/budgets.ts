import { CallgateError } from "@callgate/core";
import type { RunBudgets } from "../config/index.ts";
import { runBudgets, toRunBudgets } from "../config/run-budgets.ts";

/** Budgets as they are written, with the defaults for those that are not. Throws `BAD_ARGUMENT` for what is no budget. */
export function readBudgets(written: Readonly<Record<string, unknown>>): RunBudgets {
  const read = runBudgets.safeParse(written);
  if (read.success) return toRunBudgets(read.data);
  const [issue] = read.error.issues;
  const name = issue?.code === "unrecognized_keys" ? issue.keys[0] : issue?.path[0];
  throw new CallgateError("BAD_ARGUMENT", `\`${String(name)}\` is no budget that can be set so: ${issue?.message}`, {
    help: "write it as a manifest does: `cpu=500ms`, `heap=32MiB`, `calls=10`",
  });
}

/** Budgets with those that are written in place of their own. Throws `BAD_ARGUMENT`. */
export function withBudgets(budgets: RunBudgets, written: Readonly<Record<string, unknown>>): RunBudgets {
  const read = readBudgets(written);
  const given = Object.keys(written).map((key) => [key, read[key as keyof RunBudgets]]);
  return { ...budgets, ...(Object.fromEntries(given) as Partial<RunBudgets>) };
}
