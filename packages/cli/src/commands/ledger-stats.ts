import { isObject } from "@callgate/core";
import type { LedgerReader } from "@callgate/ledger";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import {
  limitOf,
  type SelectionOptions,
  selectionOf,
  tellLag,
  withReader,
  withSelection,
} from "../record-selection.ts";
import { progressOf } from "../render/progress.ts";
import { statisticsLines } from "../render/statistics.ts";
import { Counting } from "../statistics.ts";

interface Options extends SelectionOptions {
  readonly top: string;
}

const WIDTH = 100;
/** Records between two looks at the clock. */
const TELL = 1000;

/** `callgate ledger stats`: what the records come to. */
export function statsCommand(): Command {
  return withSelection(withConfig(new Command("stats")))
    .description("what the records that match come to: denials, slow tools, costly sessions, busy agents, errors")
    .option("--top <n>", "how many of each", "10")
    .option("--json", "print JSON")
    .action((query: string[], options: Options) => {
      const selection = selectionOf(query, options);
      const top = limitOf("--top", options.top);
      return withReader(options, (reader) => {
        const search = reader.searchState();
        const progress = process.stderr.isTTY && !options.json ? progressOf("records") : undefined;
        const counting = new Counting();
        let seen = 0;
        const filter = { ...selection.filter, before: search.head + 1, order: "asc", limit: 1000 } as const;
        for (const record of reader.records(filter, selection.accepts)) {
          counting.add(record);
          // Over all records, which is what takes long, the number is how far it is.
          if (++seen % TELL === 0) progress?.(record.seq, search.head);
        }
        progress?.(search.head, search.head);
        const statistics = counting.report((seq) => costBy(reader, seq), top);
        if (options.json) console.log(JSON.stringify({ ...statistics, search }));
        else {
          const behind = search.head - (search.indexed ?? 0);
          const index =
            search.indexed === undefined
              ? "there is no index of words"
              : `the index of words is ${behind === 0 ? "up to date" : `${behind} records behind`}`;
          console.log([...statisticsLines(statistics, process.stdout.columns ?? WIDTH), "", index].join("\n"));
        }
        if (selection.words) tellLag(reader);
        const leftOut = selection.leftOut();
        if (leftOut !== undefined) console.error(leftOut);
      });
    });
}

/** What a session had cost before a call, as the call's facts have it. */
function costBy(reader: LedgerReader, seq: number): number | undefined {
  const text = reader.show(seq)?.payloads["facts"];
  if (text === undefined) return undefined;
  const facts: unknown = JSON.parse(text);
  const session = isObject(facts) ? facts["session"] : undefined;
  const cost = isObject(session) ? session["cost"] : undefined;
  return typeof cost === "number" ? cost : undefined;
}
