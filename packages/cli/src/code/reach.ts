import { type Label, qualifiedName, type ToolEffect, type ToolFacts } from "@callgate/core";
import { type Config, nearest, toolFactsOf, toolsForCode } from "@callgate/gateway";
import type { Plan } from "@callgate/sandbox";

/** One place of a script that calls a tool. */
export interface ReachedCall {
  readonly line: number;
  readonly tool: string;
  /** The arguments that stand in the text, and not those that are computed. */
  readonly literals: Readonly<Record<string, unknown>>;
  /** The names of those. */
  readonly computed: readonly string[];
  /** Whether there may be other arguments. */
  readonly open: boolean;
}

/** A tool that a script calls, as a configuration has it. */
export type ReachedTool =
  | {
      readonly tool: string;
      readonly known: true;
      readonly effects: readonly ToolEffect[];
      readonly scopes: readonly string[];
      readonly labels: readonly Label[];
      /** Whether `code` lets scripts call it at all. */
      readonly open: boolean;
    }
  | { readonly tool: string; readonly known: false; readonly meant?: string };

/** What a script can reach, read from its text. */
export interface ScriptReach {
  readonly calls: readonly ReachedCall[];
  /** False where the text uses tools in a way that reading does not follow: then `calls` are not all. */
  readonly complete: boolean;
  /** Absent without a configuration. In the order in which the script first calls them. */
  readonly tools?: readonly ReachedTool[];
  /** Whether agents can run scripts at all. Absent without a configuration. */
  readonly open?: boolean;
}

/** What a plan comes to, beside a configuration if there is one. */
export function reachOf({ calls, complete }: Plan, config: Config | undefined): ScriptReach {
  // `naming: bare` has no room for scripts.
  const named = calls.map(({ server, name, ...call }): ReachedCall => {
    return { ...call, tool: qualifiedName("prefixed", server, name) };
  });
  if (!config) return { calls: named, complete };
  const facts = toolFactsOf(config).filter(({ operation }) => operation === "tools/call");
  const known = new Map(facts.map((tool) => [tool.qualified, tool]));
  const open = new Set(toolsForCode(facts, config.code?.tools ?? []).map(({ qualified }) => qualified));
  const tools = [...new Set(named.map(({ tool }) => tool))].map((tool) => reachedTool(tool, known, open));
  return { calls: named, complete, tools, open: config.code !== undefined };
}

function reachedTool(tool: string, known: ReadonlyMap<string, ToolFacts>, open: ReadonlySet<string>): ReachedTool {
  const facts = known.get(tool);
  if (facts) {
    const { effects, scopes, labels } = facts;
    return { tool, known: true, effects, scopes, labels, open: open.has(tool) };
  }
  const meant = nearest(tool, known.keys()) ?? sameName(tool, known);
  return { tool, known: false, ...(meant !== undefined && { meant }) };
}

/** A tool of the same name at another server. */
function sameName(tool: string, known: ReadonlyMap<string, ToolFacts>): string | undefined {
  const name = tool.slice(tool.indexOf("__") + 2);
  return [...known.values()].find((one) => one.name === name)?.qualified;
}
