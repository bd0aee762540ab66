import { CallgateError } from "@callgate/core";
import type { McpServer } from "@modelcontextprotocol/server";
import * as z from "zod";
import { type Desk, queryOf, registerLook } from "./desk.ts";
import { quoted, RECORD, recordView, UNTRUSTED } from "./untrusted.ts";

/** Characters of one payload in one answer. */
const PAYLOAD = 8000;

const QUERY = `\
Finds records. A query is terms with spaces between, all of which must hold: agent:bot session:ses_1 call:call_1 tool:mail__* \
verdict:deny kind:intent,denial status:error rule:no-secrets error:wire/* since:2h until:2026-03-01 ms:>500 seq:100..200; a minus in \
front negates. An empty query is all records.`;

/** Registers `query_records` and `show_record`. */
export function registerRecordTools(server: McpServer, desk: Desk): void {
  registerLook(
    server,
    "query_records",
    desk.payloads ? `${QUERY} text:"wire transfer" finds words in arguments and results.` : QUERY,
    {
      input: z.object({
        query: z.string().max(2000).default(""),
        order: z.enum(["newest", "oldest"]).default("newest"),
        limit: z.number().int().min(1).max(200).default(50),
        after: z.number().int().min(0).optional().describe("go on after this record, in the order asked for"),
      }),
      output: z.object({
        records: z.array(RECORD),
        next: z.number().int().optional().describe("give it as `after` for more; absent at the end"),
      }),
    },
    ({ query, order, limit, after }) => {
      const oldest = order === "oldest";
      const page = after === undefined ? {} : oldest ? { after } : { before: after };
      const records = desk.reader.query({
        ...queryOf(query, desk),
        ...page,
        order: oldest ? "asc" : "desc",
        limit: limit + 1,
      });
      const shown = records.slice(0, limit);
      const next = records.length > limit ? shown.at(-1)?.seq : undefined;
      return { records: shown.map(recordView), ...(next !== undefined && { next }) };
    },
  );
  registerLook(
    server,
    "show_record",
    desk.payloads
      ? "One record in full, with its hash, its arguments, its result and the facts that policies saw."
      : "One record in full, with its hash. Arguments and results are withheld here.",
    {
      input: z.object({
        seq: z.number().int().min(1),
        offset: z.number().int().min(0).default(0).describe("characters of each payload to leave out"),
      }),
      output: z.object({
        record: RECORD,
        hash: z.string(),
        untrusted: z
          .object({
            payloads: z.array(
              z.object({
                name: z.string(),
                state: z.enum(["open", "shredded", "withheld"]),
                length: z.number().int().optional(),
                text: z.string().optional(),
                more: z.boolean().optional(),
              }),
            ),
          })
          .describe(UNTRUSTED),
      }),
    },
    ({ seq, offset }) => {
      const shown = desk.reader.show(seq);
      if (!shown) throw new CallgateError("NO_RECORD", `there is no record ${seq}`);
      const open = Object.entries(shown.payloads).map(([name, text]) => {
        if (!desk.payloads) return { name, state: "withheld" as const, length: text.length };
        const part = text.slice(offset, offset + PAYLOAD);
        const more = text.length > offset + PAYLOAD;
        return { name, state: "open" as const, length: text.length, text: quoted(part, PAYLOAD), more };
      });
      const shredded = shown.shredded.map((name) => ({ name, state: "shredded" as const }));
      return { record: recordView(shown.record), hash: shown.hash, untrusted: { payloads: [...open, ...shredded] } };
    },
  );
}
