#!/usr/bin/env node
import { IDENTITY } from "@callgate/gateway";
import { Command } from "commander";
import { approvalsCommand } from "./commands/approvals.ts";
import { checkCommand } from "./commands/check.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { incidentCommand } from "./commands/incident.ts";
import { ledgerCommand } from "./commands/ledger.ts";
import { pinCommand } from "./commands/pin.ts";
import { policyCommand } from "./commands/policy.ts";
import { registerCommand } from "./commands/register.ts";
import { serveCommand } from "./commands/serve.ts";
import { startCommand } from "./commands/start.ts";
import { tokenCommand } from "./commands/token.ts";
import { toolCommand } from "./commands/tool.ts";
import { witnessCommand } from "./commands/witness.ts";
import { wrapCommand } from "./commands/wrap.ts";
import { fail } from "./output.ts";

const program = new Command("callgate")
  .description(
    "A broker between LLM agents and real tools: scopes, policies, budgets, approvals, and a record of every call.",
  )
  .version(IDENTITY.version)
  .showHelpAfterError("(add --help for what can be typed)")
  .configureHelp({ sortSubcommands: false });

for (const command of [
  startCommand(),
  serveCommand(),
  demoCommand(),
  wrapCommand(),
  registerCommand(),
  pinCommand(),
  toolCommand(),
  checkCommand(),
  doctorCommand(),
  policyCommand(),
  tokenCommand(),
  approvalsCommand(),
  ledgerCommand(),
  incidentCommand(),
  witnessCommand(),
])
  program.addCommand(command);

program.parseAsync().catch(fail);
