import { CallgateError, type LedgerRecord } from "@callgate/core";
import { printable } from "@callgate/gateway";
import type { LedgerReader } from "@callgate/ledger";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { type ReaderOptions, withReader } from "../record-selection.ts";
import { payloadTexts } from "../render/records.ts";
import { renderTimeline } from "../render/timeline.ts";
import { tellTakenOut } from "../taken-out.ts";

/** `callgate ledger timeline`: what happened in a session. */
export function timelineCommand(): Command {
  return withConfig(new Command("timeline"))
    .description("the story of a session: its calls, what was decided of them, how they ended")
    .option("--session <id>", "the session (default: that of the newest call)")
    .option("--json", "print one JSON object a line")
    .action((options: ReaderOptions & { readonly session?: string }) =>
      withReader(options, (reader) => {
        tellTakenOut(reader);
        const records = sessionRecords(reader, options.session);
        if (options.json) for (const record of records) console.log(JSON.stringify(record));
        else {
          const payloadsOf = (seq: number): Readonly<Record<string, string>> => {
            const shown = reader.show(seq);
            return shown ? payloadTexts(shown) : {};
          };
          console.log(renderTimeline(records, payloadsOf));
        }
      }),
    );
}

/** The records of a session, oldest first; without one, of the session of the newest call. Throws `NO_RECORD`. */
export function sessionRecords(reader: LedgerReader, named: string | undefined): readonly LedgerRecord[] {
  const session = named ?? reader.query({ kind: ["intent", "denial"], limit: 1 })[0]?.session;
  const records = session === undefined ? [] : [...reader.records({ session, order: "asc", limit: 1000 })];
  if (records.length > 0) return records;
  throw new CallgateError(
    "NO_RECORD",
    session === undefined ? "there is no call yet" : `there is no session \`${printable(session)}\``,
    { help: "sessions are named in `callgate ledger query --json`" },
  );
}
