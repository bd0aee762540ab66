import { CallgateError, digestOf, messageOf, type ToolFacts } from "@callgate/core";
import { type Config, toolFactsOf } from "@callgate/gateway";
import { configOf } from "../configuration.ts";
import { policySetOf } from "../policies.ts";
import type { Today } from "./incident.ts";

/**
 * The policies and tools of a configuration as they are now. An incident is looked into where the configuration may be elsewhere, or
 * broken: what cannot be loaded is a reason, not a failure.
 */
export async function todayOf(options: { readonly config: string; readonly data?: string }): Promise<Today> {
  const found = await configIfAny(options);
  return "missing" in found ? { missing: found.missing, tools: [] } : todayIn(found.config);
}

/** The configuration that the options name, or why there is none. */
export async function configIfAny(options: {
  readonly config: string;
  readonly data?: string;
}): Promise<{ readonly config: Config } | { readonly missing: string }> {
  try {
    return { config: await configOf(options) };
  } catch (error) {
    return { missing: reasonOf(error) };
  }
}

/** The policies and tools of a configuration. */
export function todayIn(config: Config): Today {
  let tools: ToolFacts[] = [];
  try {
    tools = toolFactsOf(config);
    const sources = config.policies.map(({ file, text }) => ({ file, digest: digestOf(text) }));
    return { set: policySetOf(config), tools, sources };
  } catch (error) {
    return { missing: reasonOf(error), tools };
  }
}

function reasonOf(error: unknown): string {
  const [first] = error instanceof CallgateError ? error.diagnostics : [];
  return first ? `${messageOf(error)}: ${first.message}` : messageOf(error);
}
