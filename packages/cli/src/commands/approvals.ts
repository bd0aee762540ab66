import { Command } from "commander";

export function approvalsCommand(): Command {
  return new Command("approvals");
}
