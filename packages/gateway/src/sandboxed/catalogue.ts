import { compileGlobs, type Grant, type ToolFacts } from "@callgate/core";
import { type DescribedTool, declarationsFor, searchTools } from "@callgate/sandbox";
import { OWN_SERVER } from "../config/names.ts";
import type { Gate } from "../gate.ts";
import { listedTools } from "../listed.ts";
import type { Registered } from "../registry.ts";
import { runsScripts } from "./plan-fit.ts";

/** The tools that code may call for a grant: those that it sees itself and a pattern names, without those that help to write code. */
export function callableTools(gate: Gate, grant: Grant, globs: readonly string[]): Registered[] {
  return toolsForCode(listedTools(gate, grant), globs);
}

/** Of some tools, those that code may call. */
export function toolsForCode<T extends Pick<ToolFacts, "server" | "name" | "qualified">>(
  tools: readonly T[],
  globs: readonly string[],
): T[] {
  const matches = compileGlobs(globs);
  return tools.filter((tool) => (tool.server !== OWN_SERVER || runsScripts(tool)) && matches(tool.qualified));
}

/** Names of tools by their servers, as a guest sees them. */
export function namesByServer(
  tools: readonly { readonly server: string; readonly name: string }[],
): Record<string, string[]> {
  const names: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const { server, name } of tools) (names[server] ??= []).push(name);
  return names;
}

/** A page of what fits a query, and how many tools there are in all. */
export function findTools(tools: readonly Registered[], query: string, limit: number): Record<string, unknown> {
  const found = searchTools(tools.map(described), query, limit);
  return {
    tools: found.map(({ qualified, description }) => ({
      tool: qualified,
      ...(description !== undefined && { description: firstLine(description) }),
    })),
    total: tools.length,
  };
}

/** Declarations of the named tools, and which names fit none. */
export function describeTools(tools: readonly Registered[], names: readonly string[]): Record<string, unknown> {
  const known = new Map(tools.map((tool) => [tool.qualified, tool]));
  const wanted = [...new Set(names)];
  return {
    declarations: declarationsFor(wanted.flatMap((name) => known.get(name) ?? []).map(described)),
    unknown: wanted.filter((name) => !known.has(name)),
  };
}

function described({ server, name, qualified, listed, inputSchema, outputSchema }: Registered): DescribedTool & {
  readonly qualified: string;
} {
  const description = listed?.["description"];
  return {
    server,
    name,
    qualified,
    ...(typeof description === "string" && { description }),
    ...(inputSchema && { inputSchema }),
    ...(outputSchema && { outputSchema }),
  };
}

function firstLine(text: string): string {
  return text.trim().split("\n", 1)[0]?.slice(0, 200) ?? "";
}
