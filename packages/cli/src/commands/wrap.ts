import { Command } from "commander";

export function wrapCommand(): Command {
  return new Command("wrap");
}
