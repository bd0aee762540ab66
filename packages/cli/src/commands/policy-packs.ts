import { CallgateError } from "@callgate/core";
import { packPolicies, readPacks } from "@callgate/gateway";
import { Command } from "commander";
import { table } from "../output.ts";

/** `callgate policy packs`: the policies that come with Callgate. */
export function packsCommand(): Command {
  return new Command("packs")
    .description("list the policies that come with Callgate, for `policies: [pack:<name>]`")
    .option("--show <name>", "print a pack's file, to be read, or copied and changed")
    .option("--json", "print JSON")
    .action(async (options: { readonly show?: string; readonly json?: boolean }) => {
      if (options.show === undefined) return await list(options.json === true);
      const pack = await packPolicies(options.show);
      if (!pack.ok) throw new CallgateError("BAD_ARGUMENT", pack.message, { help: pack.help });
      const { text } = pack.source;
      process.stdout.write(options.json ? `${JSON.stringify({ name: options.show, text })}\n` : text);
    });
}

async function list(json: boolean): Promise<void> {
  const packs = await readPacks();
  if (json) {
    console.log(JSON.stringify(packs.map(({ name, purpose, settings }) => ({ name, purpose, settings }))));
    return;
  }
  const rows = packs.map(({ name, purpose, settings }) => [`pack:${name}`, settings.join(", ") || "-", purpose]);
  console.log(table(["pack", "settings", "purpose"], rows));
}
