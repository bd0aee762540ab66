import { CallgateError, compileGlobs, type ToolFacts } from "@callgate/core";
import { type Config, toolFactsOf } from "@callgate/gateway";
import { type ReachingAgent, ReachMap } from "@callgate/policy";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { policySetOf } from "../policies.ts";
import { reachLines, reachTable } from "../render/reach.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly agent?: string;
  readonly json?: boolean;
}

/** `callgate policy reach`: who can call what, by scopes and policies. */
export function reachCommand(): Command {
  return withConfig(new Command("reach"))
    .description("which agents can call a tool, and what it depends on; without a tool, a table of all")
    .argument("[tool]", "a tool's name, such as `mail__send`; `*` and `?` stand for any characters")
    .option("--agent <name>", "only this agent; `*` and `?` stand for any characters")
    .option("--json", "print JSON, one agent and tool a line")
    .action(async (tool: string | undefined, options: Options) => {
      const config = await configOf(options);
      // For its diagnostics: what does not load says nothing about who can call what.
      policySetOf(config);
      const tools = toolsNamed(toolFactsOf(config), tool ?? "*");
      const agents = agentsNamed(config, options.agent ?? "*");
      const map = new ReachMap(config.policies, { tools, settings: config.settings });
      const all = tools.flatMap((one) => agents.map((agent) => map.of(agent, one)));
      if (options.json) for (const one of all) console.log(JSON.stringify(one));
      else console.log((tool === undefined ? reachTable(all) : reachLines(all)).join("\n"));
    });
}

function toolsNamed(tools: readonly ToolFacts[], name: string): ToolFacts[] {
  const matches = compileGlobs([name]);
  const found = tools.filter(({ qualified }) => matches(qualified));
  if (found.length > 0) return found;
  throw new CallgateError("BAD_ARGUMENT", `\`${name}\` is no tool's name`, {
    help: "run `callgate policy reach` for the names",
  });
}

/** The agents of the configuration that a name or glob selects. Throws `BAD_ARGUMENT` if it selects none. */
export function agentsNamed(config: Config, name: string): ReachingAgent[] {
  const matches = compileGlobs([name]);
  const found = Object.values(config.agents).filter((agent) => matches(agent.name));
  if (found.length > 0) return found;
  throw new CallgateError("BAD_ARGUMENT", `there is no agent \`${name}\``, {
    help: `the agents are: ${Object.keys(config.agents).join(", ")}`,
  });
}
