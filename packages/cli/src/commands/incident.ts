import { Command } from "commander";
import { withKeyFile } from "../configuration.ts";
import { incidentExportCommand } from "./incident-export.ts";
import { incidentOpenCommand } from "./incident-open.ts";

/** `callgate incident`: what happened, how far it went, and what to hand on. */
export function incidentCommand(): Command {
  const incident = new Command("incident")
    .description("after something went wrong: what a session read, where it went, what else is like it")
    .addCommand(incidentOpenCommand())
    .addCommand(incidentExportCommand());
  return withKeyFile(incident);
}
