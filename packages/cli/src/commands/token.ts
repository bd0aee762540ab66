import { CallgateError } from "@callgate/core";
import { audienceOf, issueToken, openSigningKey } from "@callgate/gateway";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";
import { secondsOf } from "../duration.ts";

/** `callgate token issue`: a short-lived bearer token for an agent of the configuration. */
export function tokenCommand(): Command {
  const issue = withConfig(new Command("issue"))
    .description("issue a short-lived bearer token for an agent; the token alone goes to stdout")
    .requiredOption("-a, --agent <name>", "the agent, as the configuration names it")
    .option("-t, --ttl <time>", "how long it is good for, such as 15m or 8h", "15m")
    .option("-u, --user <name>", "the person the agent acts for")
    .option("-s, --scope <scope...>", "fewer scopes than the agent has")
    .option("--json", "print JSON")
    .action(
      async (options: {
        config: string;
        data?: string;
        agent: string;
        ttl: string;
        user?: string;
        scope?: string[];
        json?: boolean;
      }) => {
        const config = await configOf(options);
        const agent = Object.hasOwn(config.agents, options.agent) ? config.agents[options.agent] : undefined;
        if (!agent)
          throw new CallgateError("TOKEN_REQUEST_INVALID", `there is no agent \`${options.agent}\``, {
            help: `the configuration has: ${Object.keys(config.agents).join(", ") || "none"}`,
          });
        const ttl = secondsOf(options.ttl);
        const token = await issueToken(await openSigningKey(config.data), {
          agent,
          ttl,
          audience: audienceOf(config),
          ...(options.user !== undefined && { user: options.user }),
          ...(options.scope && { scopes: options.scope }),
        });
        if (options.json)
          console.log(
            JSON.stringify({ token, agent: agent.name, scopes: options.scope ?? agent.scopes, expiresIn: ttl }),
          );
        else console.log(token);
      },
    );
  return new Command("token").description("tokens that agents present").addCommand(issue);
}
