import { relative } from "node:path";
import { CallgateError } from "@callgate/core";
import { audienceOf, issueToken, openSigningKey } from "@callgate/gateway";
import { Command } from "commander";
import { configOf } from "../configuration.ts";
import { secondsOf } from "../duration.ts";
import { startConfig } from "../example.ts";
import { openRunning, stopped } from "./serve.ts";

/** `callgate start`: the broker, with a token for the first agent and lines to try. */
export function startCommand(): Command {
  return new Command("start")
    .description("run the broker and print how to try it (the example configuration unless one is here)")
    .option("-c, --config <file>", "the configuration")
    .option("--data <folder>", "the data folder, in place of the configuration's")
    .option("-p, --port <number>", "the port, in place of the configuration's; 0 takes any that is free")
    .option("-t, --ttl <time>", "how long the printed token is good for", "1h")
    .action(async (options: { config?: string; data?: string; port?: string; ttl: string }) => {
      const file = startConfig(options.config);
      const loaded = await configOf({ config: file, ...(options.data !== undefined && { data: options.data }) });
      const config =
        options.port === undefined ? loaded : { ...loaded, http: { ...loaded.http, port: portOf(options.port) } };
      const began = performance.now();
      const stop = stopped();
      const running = await openRunning(config);
      const agent = Object.values(config.agents)[0];
      const ttl = secondsOf(options.ttl);
      const token =
        agent && (await issueToken(await openSigningKey(config.data), { agent, ttl, audience: audienceOf(config) }));
      const tools = [...running.broker.gate.registry.all()].filter((t) => t.listed).length;
      console.log(
        `\ncallgate is running (${tools} tools, started in ${((performance.now() - began) / 1000).toFixed(1)} s)\n`,
      );
      console.log(`  MCP URL   ${running.face.url}`);
      if (agent) console.log(`  agent     ${agent.name} (scopes: ${agent.scopes.join(" ")})`);
      if (token) console.log(`  token     good for ${options.ttl}:\n${token}\n`);
      if (token && file !== options.config)
        for (const line of tries(running.face.url, token, relative(process.cwd(), config.file) || config.file))
          console.log(line);
      console.log("Ctrl-C stops it.\n");
      await stop;
      console.log("stopping");
      await running.close();
      process.exit(0);
    });
}

function portOf(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new CallgateError("BAD_ARGUMENT", `\`${text}\` is not a port`, { help: "write a number from 0 to 65535" });
  return port;
}

/** One ready line for each thing to try, with a client that is not ours. */
function tries(url: string, token: string, config: string): string[] {
  const inspector = `npx -y @modelcontextprotocol/inspector --cli ${url} --transport http --header "Authorization: Bearer ${token}"`;
  return [
    "Try it from another terminal:",
    "",
    "  # list the tools this agent may use",
    `  ${inspector} --method tools/list`,
    "",
    "  # a call that is allowed",
    `  ${inspector} --method tools/call --tool-name files__read_text_file --tool-arg path=README.txt`,
    "",
    "  # a call that is denied, with the rule and the record",
    `  ${inspector} --method tools/call --tool-name files__write_file --tool-arg path=README.txt --tool-arg content=hello`,
    "",
    "  # what happened, and that nobody changed it",
    `  npx callgate ledger tail --config ${config}`,
    `  npx callgate ledger verify --config ${config}`,
    "",
  ];
}
