import { RECORD_KINDS } from "@callgate/core";
import { NUMBER_FIELDS, TEXT_FIELDS, TIME_FIELDS } from "./term.ts";

const STATUSES = ["ok", "error", "cancelled", "timeout", "input_required", "unknown"];

/** The fields that have few values, all known. */
export const VALUES: { readonly [field: string]: readonly string[] } = {
  verdict: ["allow", "deny", "hold"],
  status: STATUSES,
  kind: RECORD_KINDS,
};

/** Every field that a query may name. */
export const FIELDS: readonly string[] = [...TEXT_FIELDS, ...NUMBER_FIELDS, ...TIME_FIELDS];
/** Fields of which a record has several values, or which may be cut down twice. */
export const REPEATED = new Set<string>(["rule", "text", ...NUMBER_FIELDS]);

/** What people type for something that is called otherwise. */
export const GUESSES: { readonly [word: string]: string } = {
  server: "`tool` holds the server too: `tool:mail__*`",
  name: "`tool` holds the name: `tool:*__send`",
  id: "use `call:`, `session:` or `seq:`",
  from: "use `since:`",
  to: "use `until:`",
  after: "use `since:` for a time, `seq:>100` for a record",
  before: "use `until:` for a time, `seq:<100` for a record",
  time: "use `since:` and `until:`",
  ts: "use `since:` and `until:`",
  date: "use `since:` and `until:`: `since:2026-03-01 until:2026-03-01`",
  on: "use `since:` and `until:`: `since:2026-03-01 until:2026-03-01`",
  duration: "use `ms:`, as in `ms:>500`",
  latency: "use `ms:`, as in `ms:>500`",
  principal: "use `agent:` or `user:`",
  decision: "use `verdict:`",
  policy: "use `rule:`",
  reason: "use `text:` for its words, `rule:` for the rule",
  code: "use `error:`",
  args: "use `text:` for the words of arguments",
  result: "use `text:` for the words of results",
  limit: "use `--limit`",
};
