import type { ApprovalStore } from "@callgate/gateway";
import type { Agent, ToolResult } from "./agent.ts";
import { until } from "./until.ts";

/** What `run_code` answers. */
export interface Body {
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly logs: readonly string[];
  readonly calls?: readonly { readonly tool: string; readonly verdict: string; readonly rules: readonly string[] }[];
  readonly resume?: string;
  readonly usage: Readonly<Record<string, number>>;
}

export const bodyOf = (result: ToolResult): Body => result.structuredContent as Body;

/** Runs a script as an agent does. `more` are the other arguments of `run_code`. */
export const runScript = (agent: Agent, code: string, more: object = {}): Promise<ToolResult> =>
  agent.call("callgate__run_code", { code, ...more });

/** Approves the next call that is held, and gives the reason that the person read. */
export async function approveNext(operator: ApprovalStore): Promise<string> {
  const [held] = await until("a held call", () => {
    const found = operator.list("pending");
    return found.length > 0 && found;
  });
  if (!held) throw new Error("nothing is held");
  operator.answer(held.id, "approved", "olga");
  return held.reason;
}
