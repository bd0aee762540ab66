#!/usr/bin/env node
import { IDENTITY } from "@callgate/gateway";
import { Command } from "commander";
import { fail } from "./output.ts";

/** A command is loaded when it is named: most of what the others need is not read at all. In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  start: async () => (await import("./commands/start.ts")).startCommand(),
  serve: async () => (await import("./commands/serve.ts")).serveCommand(),
  demo: async () => (await import("./commands/demo.ts")).demoCommand(),
  wrap: async () => (await import("./commands/wrap.ts")).wrapCommand(),
  register: async () => (await import("./commands/register.ts")).registerCommand(),
  pin: async () => (await import("./commands/pin.ts")).pinCommand(),
  tool: async () => (await import("./commands/tool.ts")).toolCommand(),
  check: async () => (await import("./commands/check.ts")).checkCommand(),
  doctor: async () => (await import("./commands/doctor.ts")).doctorCommand(),
  policy: async () => (await import("./commands/policy.ts")).policyCommand(),
  token: async () => (await import("./commands/token.ts")).tokenCommand(),
  approvals: async () => (await import("./commands/approvals.ts")).approvalsCommand(),
  ledger: async () => (await import("./commands/ledger.ts")).ledgerCommand(),
  incident: async () => (await import("./commands/incident.ts")).incidentCommand(),
  code: async () => (await import("./commands/code.ts")).codeCommand(),
  witness: async () => (await import("./commands/witness.ts")).witnessCommand(),
};

const program = new Command("callgate")
  .description(
    "A broker between LLM agents and real tools: scopes, policies, budgets, approvals, and a record of every call.",
  )
  .version(IDENTITY.version)
  .showHelpAfterError("(add --help for what can be typed)")
  .configureHelp({ sortSubcommands: false });

const named = process.argv[2];
const wanted = named !== undefined && Object.hasOwn(COMMANDS, named) ? [named] : Object.keys(COMMANDS);
for (const name of wanted) program.addCommand(await (COMMANDS[name] as () => Promise<Command>)());

program.parseAsync().catch(fail);
