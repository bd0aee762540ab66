import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import {
  limitOf,
  type SelectionOptions,
  selectionOf,
  tellLag,
  withReader,
  withSelection,
} from "../record-selection.ts";
import { formatOf, RecordPrinter } from "../render/printer.ts";
import { tellTakenOut } from "../taken-out.ts";

interface Options extends SelectionOptions {
  readonly limit: string;
  readonly all?: boolean;
  readonly after?: string;
  readonly oldest?: boolean;
  readonly csv?: boolean;
}

/** `callgate ledger query`: the records that match. */
export function queryCommand(): Command {
  return withSelection(withConfig(new Command("query")))
    .description("the records that match all of what is given, newest first")
    .option("--limit <n>", "at most so many", "50")
    .option("--all", "all of them")
    .option("--after <seq>", "go on after this record, in the order that is printed")
    .option("--oldest", "oldest first")
    .option("--json", "print one JSON object a line")
    .option("--csv", "print CSV")
    .addHelpText("after", HELP)
    .action((query: string[], options: Options) => {
      const selection = selectionOf(query, options);
      const format = formatOf(options);
      const limit = limitOf("--limit", options.limit);
      const after = options.after === undefined ? undefined : wholeOf("--after", options.after);
      return withReader(options, async (reader) => {
        const page = after === undefined ? {} : options.oldest ? { after } : { before: after };
        const records = reader.records(
          { ...selection.filter, ...page, limit, order: options.oldest ? "asc" : "desc" },
          selection.accepts,
        );
        const printer = new RecordPrinter(format);
        const { count, last } = await printer.print(records, options.all ? undefined : limit);
        if (count === 0 && format === "table") console.log("no record matches");
        if (count === 0 && format === "csv") printer.head();
        if (!options.all && count === limit && last && format === "table")
          console.error(`the first ${count}; the next ones: --after ${last.seq}, or --all`);
        if (selection.words) tellLag(reader);
        tellTakenOut(reader);
        const leftOut = selection.leftOut();
        if (leftOut !== undefined) console.error(leftOut);
      });
    });
}

const HELP = `
A query is terms with spaces between; all must hold. A term is \`field:value\`, \`field:one,other\` for either, \`-field:value\` for not.
  agent user session call parent tool verdict status kind rule error boot trace   \`*\` and \`?\` stand for any characters
  seq ms       numbers: \`ms:>500\`, \`seq:100..200\`
  since until  2h, 7d, today, 2026-03-01, 2026-03-01T12:00:00Z
  text         words of arguments, results and reasons: \`text:"wire transfer"\`, \`text:transf*\`; bare words are the same
One that begins with \`-\` looks like an option: write \`!agent:bot\`, or \`--\` before it.

  callgate ledger query 'agent:bot tool:mail__* verdict:deny since:2h'
  callgate ledger query 'kind:outcome -status:ok "wire transfer"' --where 'record.ms > 500'`;
