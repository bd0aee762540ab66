import { replaceAt } from "../json-path.ts";
import { type Life, type Refusal, refuse } from "./life.ts";

/** What stands where something was taken out. */
const REDACTED = "[redacted]";

/**
 * Does to the arguments what the permitting policies demand: redact, rewrite. What goes to the server is checked against its schema
 * again; arguments that no longer fit are a deny, and so is an obligation that cannot be carried out.
 */
export function oblige(life: Life): Refusal | undefined {
  const { decision, tool, request } = life;
  const obligations =
    decision?.obligations.filter((o) => o.kind === "rewrite" || (o.kind === "redact" && o.target === "args")) ?? [];
  if (obligations.length === 0) return undefined;
  if (request.operation !== "tools/call")
    return refuse("obligation", "a policy demands a change of arguments that only tools have", "tell an operator");
  let args = request.args;
  for (const obligation of obligations) {
    if (obligation.kind === "rewrite") args = replaceAt(args, obligation.path, () => obligation.value);
    else if (obligation.kind === "redact") {
      args = replaceAt(args, obligation.path, () => REDACTED);
      life.keepArgs = false;
    }
  }
  const fault = tool?.checkArgs?.(args);
  if (fault)
    return refuse(
      "obligation",
      `after what a policy changed in the arguments, ${fault}`,
      "tell an operator: the policy does not fit the tool",
    );
  life.params = { ...request.params, arguments: args };
  return undefined;
}

/** The result as the policies let the agent see it; the same object if they demand nothing. */
export function redactResult(life: Life, result: Record<string, unknown>): Record<string, unknown> {
  let seen: unknown = result;
  for (const obligation of life.decision?.obligations ?? [])
    if (obligation.kind === "redact" && obligation.target === "result")
      seen = replaceAt(seen, obligation.path, () => REDACTED);
  return seen as Record<string, unknown>;
}
