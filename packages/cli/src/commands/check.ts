import { CallgateError } from "@callgate/core";
import { toolFactsOf } from "@callgate/gateway";
import { loadPolicies } from "@callgate/policy";
import { Command } from "commander";
import { configOf, withConfig } from "../configuration.ts";

/** `callgate check`: loads everything as a start would, and starts nothing. */
export function checkCommand(): Command {
  return withConfig(new Command("check"))
    .description("check the configuration, its manifests and its policies without starting anything")
    .option("--json", "print JSON")
    .action(async (options: { config: string; data?: string; json?: boolean }) => {
      const config = await configOf(options);
      const loaded = loadPolicies(config.policies, toolFactsOf(config), config.settings);
      if (!loaded.ok)
        throw new CallgateError(
          "POLICY_INVALID",
          `${loaded.diagnostics.length} ${loaded.diagnostics.length === 1 ? "problem" : "problems"} in the policies`,
          {
            diagnostics: loaded.diagnostics,
          },
        );
      const servers = Object.values(config.servers);
      const counts = {
        servers: servers.length,
        tools: servers.reduce((n, s) => n + Object.keys(s.manifest.tools).length, 0),
        policies: loaded.set.policies.length,
        agents: Object.keys(config.agents).length,
      };
      if (options.json) console.log(JSON.stringify({ ok: true, ...counts, digest: config.digest }));
      else
        console.log(
          `ok: ${Object.entries(counts)
            .map(([what, n]) => `${n} ${what}`)
            .join(", ")}`,
        );
    });
}
