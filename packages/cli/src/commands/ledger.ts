import { CallgateError, type LedgerRecord, messageOf } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { type LedgerFilter, type LedgerReader, openReader, type Verification } from "@callgate/ledger";
import { Command } from "commander";
import { timeOf, wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import { fail, table } from "../output.ts";
import { RECORD_HEAD, recordLine, recordLines } from "../render/records.ts";
import { renderTimeline } from "../render/timeline.ts";

interface Options {
  readonly config: string;
  readonly data?: string;
  readonly json?: boolean;
}

interface QueryOptions extends Options {
  readonly agent?: string;
  readonly session?: string;
  readonly call?: string;
  readonly tool?: string;
  readonly verdict?: string;
  readonly kind?: string[];
  readonly status?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly oldest?: boolean;
}

/** Exit codes of `verify`. */
const VERIFIED = { clean: 0, tampered: 1, unreadable: 3 } as const;
const POLL_MS = 250;
const PAGE = 1000;

/** `callgate ledger`: reads the record of every call, beside a running broker or without one. */
export function ledgerCommand(): Command {
  return new Command("ledger")
    .description("the record of every call: follow it, search it, check it")
    .addCommand(tailCommand())
    .addCommand(queryCommand())
    .addCommand(showCommand())
    .addCommand(timelineCommand())
    .addCommand(verifyCommand());
}

function tailCommand(): Command {
  return withConfig(new Command("tail"))
    .description("the newest records, oldest of them first")
    .option("-n, --lines <n>", "how many", "20")
    .option("-f, --follow", "go on with new ones as they come")
    .option("--json", "print one JSON object a line")
    .action((options: Options & { lines: string; follow?: boolean }) =>
      withReader(options, async (reader) => {
        const n = wholeOf("--lines", options.lines);
        const records = n === 0 ? [] : [...reader.query({ limit: n })].reverse();
        if (!options.json) console.log(RECORD_HEAD);
        print(records, options.json);
        if (options.follow)
          await follow(reader, records.at(-1)?.seq ?? reader.query({ limit: 1 })[0]?.seq ?? 0, options.json);
      }),
    );
}

function queryCommand(): Command {
  return withConfig(new Command("query"))
    .description("the records that match all of what is given, newest first")
    .option("--agent <name>", "the agent; `*` and `?` stand for any characters")
    .option("--session <id>", "one session")
    .option("--call <id>", "one call")
    .option("--tool <name>", "the tool, as in `mail__*`")
    .option("--verdict <verdict>", "allow, deny or hold")
    .option("--kind <kind...>", "intent, outcome, denial, approval, callback, config, boot ...")
    .option("--status <status>", "ok, error, cancelled, timeout, input_required or unknown")
    .option("--since <time>", "a time such as 2026-03-01T12:00:00Z, or how long ago: 90s, 15m, 2h, 7d")
    .option("--until <time>", "the same")
    .option("--limit <n>", "at most so many", "50")
    .option("--oldest", "oldest first")
    .option("--json", "print one JSON object a line")
    .action((options: QueryOptions) =>
      withReader(options, (reader) => {
        const records = reader.query(filterOf(options));
        if (!options.json) console.log(records.length === 0 ? "no record matches" : RECORD_HEAD);
        print(records, options.json);
      }),
    );
}

function showCommand(): Command {
  return withConfig(new Command("show"))
    .description("one record in full, with its arguments and its result")
    .argument("<seq>", "the record's number")
    .option("--json", "print JSON")
    .action((seq: string, options: Options) =>
      withReader(options, (reader) => {
        const shown = reader.show(wholeOf("<seq>", seq));
        if (!shown)
          throw new CallgateError("NO_RECORD", `there is no record ${seq}`, {
            help: "run `callgate ledger tail` to see the newest",
          });
        console.log(options.json ? JSON.stringify(shown) : recordLines(shown).join("\n"));
      }),
    );
}

function timelineCommand(): Command {
  return withConfig(new Command("timeline"))
    .description("the story of a session: its calls, what was decided of them, how they ended")
    .option("--session <id>", "the session (default: that of the newest call)")
    .option("--json", "print one JSON object a line")
    .action((options: Options & { session?: string }) =>
      withReader(options, (reader) => {
        const session = options.session ?? reader.query({ kind: ["intent", "denial"], limit: 1 })[0]?.session;
        const records = session === undefined ? [] : allOf(reader, session);
        if (records.length === 0) {
          throw new CallgateError(
            "NO_RECORD",
            session === undefined ? "there is no call yet" : `there is no session \`${printable(session)}\``,
            {
              help: "sessions are named in `callgate ledger query --json`",
            },
          );
        }
        if (options.json) print(records, true);
        else console.log(renderTimeline(records, (seq) => reader.show(seq)?.payloads ?? {}));
      }),
    );
}

function verifyCommand(): Command {
  return withConfig(new Command("verify"))
    .description("check every record's hash, the chain, and what stands beside it")
    .option("--json", "print JSON")
    .addHelpText("after", "\nEnds with 0 if all is well, 1 if something was changed, 3 if the ledger cannot be read.")
    .action(async (options: Options) => {
      const folder = await dataFolder(options);
      let log: string;
      let verified: Verification;
      try {
        const reader = openReader(folder);
        try {
          log = reader.log;
          verified = reader.verify(process.stderr.isTTY && !options.json ? progress : undefined);
        } finally {
          reader.close();
        }
      } catch (error) {
        // SQLite refuses a file whose pages are damaged: no record of it can be vouched for.
        const known =
          error instanceof CallgateError
            ? error
            : new CallgateError(
                "LEDGER_UNREADABLE",
                `the ledger in \`${folder}\` cannot be read: ${messageOf(error)}`,
                { cause: error },
              );
        return fail(known, VERIFIED.unreadable);
      }
      console.log(options.json ? JSON.stringify({ ...verified, log }) : verdict(verified));
      process.exitCode = verified.ok ? VERIFIED.clean : VERIFIED.tampered;
    });
}

function verdict({ ok, records, head, findings }: Verification): string {
  const many = `${records} ${records === 1 ? "record" : "records"}`;
  if (ok) return `verified: ${many}, head ${head}`;
  const rows = findings.map((f) => [String(f.seq), printable(f.problem)]);
  const more = `${findings.length} ${findings.length === 1 ? "finding" : "findings"}`;
  return `${table(["seq", "problem"], rows)}\n\nTAMPERED: ${more} in ${many}, first at record ${findings[0]?.seq}, head ${head}`;
}

function progress(done: number, total: number): void {
  process.stderr.write(done < total ? `\rchecking ${done} of ${total} records` : "\r\u001b[K");
}

async function follow(reader: LedgerReader, from: number, json: boolean | undefined): Promise<void> {
  let after = from;
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  // Whoever reads the output may stop reading: `ledger tail -f | head`.
  process.stdout.on("error", end);
  while (!ended) {
    const records = reader.query({ after, order: "asc", limit: PAGE });
    print(records, json);
    after = records.at(-1)?.seq ?? after;
    if (records.length < PAGE) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function allOf(reader: LedgerReader, session: string): LedgerRecord[] {
  const all: LedgerRecord[] = [];
  for (;;) {
    const page = reader.query({ session, order: "asc", limit: PAGE, after: all.at(-1)?.seq ?? 0 });
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

function print(records: readonly LedgerRecord[], json: boolean | undefined): void {
  for (const record of records) console.log(json ? JSON.stringify(record) : recordLine(record));
}

function filterOf(options: QueryOptions): LedgerFilter {
  const { agent, session, call, tool, verdict, kind, status, since, until } = options;
  return {
    limit: wholeOf("--limit", options.limit),
    order: options.oldest ? "asc" : "desc",
    ...(agent !== undefined && { agent }),
    ...(session !== undefined && { session }),
    ...(call !== undefined && { call }),
    ...(tool !== undefined && { tool }),
    ...(verdict !== undefined && { verdict }),
    ...(status !== undefined && { status }),
    ...(kind !== undefined && { kind: kind.flatMap((k) => k.split(",")) }),
    ...(since !== undefined && { since: timeOf(since) }),
    ...(until !== undefined && { until: timeOf(until) }),
  };
}

async function withReader(options: Options, work: (reader: LedgerReader) => void | Promise<void>): Promise<void> {
  const reader = openReader(await dataFolder(options));
  try {
    await work(reader);
  } catch (error) {
    // What was typed is wrong, not the ledger.
    if (error instanceof CallgateError && error.code === "LEDGER_FILTER_INVALID")
      throw new CallgateError("BAD_ARGUMENT", error.message, error.help === undefined ? {} : { help: error.help });
    throw error;
  } finally {
    reader.close();
  }
}
