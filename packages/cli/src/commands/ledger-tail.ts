import type { LedgerReader } from "@callgate/ledger";
import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import {
  type RecordSelection,
  type SelectionOptions,
  selectionOf,
  withReader,
  withSelection,
} from "../record-selection.ts";
import { formatOf, RecordPrinter } from "../render/printer.ts";

interface Options extends SelectionOptions {
  readonly lines: string;
  readonly follow?: boolean;
  readonly csv?: boolean;
}

const POLL_MS = 250;

/** `callgate ledger tail`: the newest records, and those to come. */
export function tailCommand(): Command {
  return withSelection(withConfig(new Command("tail")))
    .description("the newest records that match, oldest of them first")
    .option("-n, --lines <n>", "how many", "20")
    .option("-f, --follow", "go on with new ones as they come")
    .option("--json", "print one JSON object a line")
    .option("--csv", "print CSV")
    .action((query: string[], options: Options) => {
      const selection = selectionOf(query, options);
      const printer = new RecordPrinter(formatOf(options));
      const n = wholeOf("--lines", options.lines);
      return withReader(options, async (reader) => {
        // What comes while the newest are read is for the following.
        const { head } = reader.searchState();
        const newest = [];
        if (n > 0)
          for (const record of reader.records({ ...selection.filter, before: head + 1 }, selection.accepts)) {
            newest.push(record);
            if (newest.length === n) break;
          }
        printer.head();
        await printer.print(newest.reverse());
        if (options.follow) await follow(reader, selection, head, printer);
      });
    });
}

async function follow(
  reader: LedgerReader,
  { filter, accepts }: RecordSelection,
  from: number,
  printer: RecordPrinter,
): Promise<void> {
  printer.endOnSignal();
  let after = from;
  while (!printer.ended) {
    const { head } = reader.searchState();
    await printer.print(reader.records({ ...filter, after, before: head + 1, order: "asc" }, accepts));
    after = head;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
