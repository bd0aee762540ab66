import { openFilling } from "@callgate/ledger";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import type { ReaderOptions } from "../record-selection.ts";
import { progressOf } from "../render/progress.ts";

interface Options extends ReaderOptions {
  readonly rebuild?: boolean;
}

/** `callgate ledger index`: brings the index of words up to date. */
export function indexCommand(): Command {
  return withConfig(new Command("index"))
    .description("bring the index of words up to date, as a broker does by itself")
    .option("--rebuild", "make it anew")
    .option("--json", "print JSON")
    .action(async (options: Options) => {
      const filling = openFilling(await dataFolder(options), { rebuild: options.rebuild ?? false });
      try {
        const progress = options.json ? undefined : progressOf("records");
        let filled = filling.step();
        while (filled.indexed < filled.head) {
          progress?.(filled.indexed, filled.head);
          filled = filling.step();
        }
        progress?.(filled.head, filled.head);
        console.log(options.json ? JSON.stringify(filled) : `indexed: ${filled.indexed} records`);
      } finally {
        filling.close();
      }
    });
}
