import { CallgateError, digestOf, messageOf } from "@callgate/core";
import { toolFactsOf } from "@callgate/gateway";
import { configOf } from "../configuration.ts";
import { policySetOf } from "../policies.ts";
import type { Today } from "./incident.ts";

/**
 * The policies and tools of a configuration as they are now. An incident is looked into where the configuration may be elsewhere, or
 * broken: what cannot be loaded is a reason, not a failure.
 */
export async function todayOf(options: { readonly config: string; readonly data?: string }): Promise<Today> {
  try {
    const config = await configOf(options);
    const tools = toolFactsOf(config);
    try {
      const sources = config.policies.map(({ file, text }) => ({ file, digest: digestOf(text) }));
      return { set: policySetOf(config), tools, sources };
    } catch (error) {
      return { missing: reasonOf(error), tools };
    }
  } catch (error) {
    return { missing: reasonOf(error), tools: [] };
  }
}

function reasonOf(error: unknown): string {
  const [first] = error instanceof CallgateError ? error.diagnostics : [];
  return first ? `${messageOf(error)}: ${first.message}` : messageOf(error);
}
