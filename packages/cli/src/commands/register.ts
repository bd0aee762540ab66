import { Command } from "commander";

export function registerCommand(): Command {
  return new Command("register");
}
