import { CallgateError } from "@callgate/core";
import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import { type ReaderOptions, withReader } from "../record-selection.ts";
import { recordLines } from "../render/records.ts";
import { tellTakenOut } from "../taken-out.ts";

/** `callgate ledger show`: one record. */
export function showCommand(): Command {
  return withConfig(new Command("show"))
    .description("one record in full, with its arguments and its result")
    .argument("<seq>", "the record's number")
    .option("--json", "print JSON")
    .action((seq: string, options: ReaderOptions) =>
      withReader(options, (reader) => {
        tellTakenOut(reader);
        const shown = reader.show(wholeOf("<seq>", seq));
        if (!shown)
          throw new CallgateError("NO_RECORD", `there is no record ${seq}`, {
            help: "run `callgate ledger tail` to see the newest",
          });
        console.log(options.json ? JSON.stringify(shown) : recordLines(shown).join("\n"));
      }),
    );
}
