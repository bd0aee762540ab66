import { readFileSync } from "node:fs";
import { CallgateError } from "@callgate/core";
import { openWitness } from "@callgate/ledger";
import { Command } from "commander";
import { stopped } from "./serve.ts";

/** `callgate witness`: keeps checkpoints of ledgers that run elsewhere, and cosigns them. */
export function witnessCommand(): Command {
  return new Command("witness")
    .description("keep the checkpoints of ledgers elsewhere, and sign only those that go on from what was seen")
    .requiredOption("--vkey <key...>", "the key of a ledger: the line in its `ledger.vkey`, or a file with it")
    .requiredOption("--state <file>", "the witness's own key and what it has seen; made if missing")
    .option("-l, --listen <address>", "where to listen, as host:port; port 0 takes any that is free", "127.0.0.1:8723")
    .option("--name <name>", "the name it signs with, for a new state")
    .action(async (options: { vkey: string[]; state: string; listen: string; name?: string }) => {
      const at = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(options.listen);
      if (at === null)
        throw new CallgateError("BAD_ARGUMENT", `\`${options.listen}\` is not an address`, {
          help: "write it as in `--listen 127.0.0.1:8723`",
        });
      const stop = stopped();
      const witness = await openWitness({
        file: options.state,
        vkeys: options.vkey.map(keyOf),
        host: (at[1] ?? at[2]) as string,
        port: Number(at[3]),
        ...(options.name !== undefined && { name: options.name }),
      });
      console.log(`callgate witnesses on ${witness.url}\nkey: ${witness.vkey}`);
      await stop;
      await witness.close();
    });
}

/** The key itself, or what a file of that name holds. */
function keyOf(text: string): string {
  if (text.includes("+")) return text;
  try {
    return readFileSync(text, "utf8").trim();
  } catch (cause) {
    throw new CallgateError("BAD_ARGUMENT", `there is no key in \`${text}\``, {
      help: "name the `ledger.vkey` of a data folder, or write the line that it holds",
      cause,
    });
  }
}
