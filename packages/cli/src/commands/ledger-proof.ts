import { writeFile } from "node:fs/promises";
import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { proofText } from "@callgate/ledger";
import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import { type ReaderOptions, withReader } from "../record-selection.ts";

interface Options extends ReaderOptions {
  readonly out?: string;
}

/** `callgate ledger proof`: that a record is in the log, for someone who has the log's verifier key and nothing else. */
export function proofCommand(): Command {
  return withConfig(new Command("proof"))
    .description(
      "a proof that a record is in the log (C2SP tlog-proof): the record, its path to the root, the signed checkpoint",
    )
    .argument("<seq>", "the record's number")
    .option("--out <file>", "write it there instead of printing it")
    .option("--json", "print JSON")
    .action((text: string, options: Options) =>
      withReader(options, async (reader) => {
        const seq = wholeOf("<seq>", text);
        const shown = reader.show(seq);
        if (!shown)
          throw new CallgateError("NO_RECORD", `there is no record ${seq}`, {
            help: "run `callgate ledger tail` to see the newest",
          });
        const checkpoint = reader.checkpoint();
        if (checkpoint === undefined || checkpoint.size < seq)
          throw new CallgateError("NO_CHECKPOINT", `no checkpoint covers record ${seq}`, {
            help: "run `callgate ledger verify`",
          });
        const proof = proofText(shown.leaf, reader.prove(seq, checkpoint.size), checkpoint.note);
        if (options.out !== undefined) await writeFile(options.out, proof, { mode: 0o600 });
        if (options.json) console.log(JSON.stringify({ log: reader.log, seq, size: checkpoint.size, proof }));
        else if (options.out === undefined) process.stdout.write(proof);
        else console.log(`wrote ${printable(options.out)}: record ${seq} in the log of ${checkpoint.size} records`);
      }),
    );
}
