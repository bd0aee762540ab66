import { CallgateError, type LedgerRecord } from "@callgate/core";
import { type LedgerFilter, type LedgerReader, parseQuery, parseTime, type Query } from "@callgate/ledger";
import { compileCondition } from "@callgate/policy";
import type { Command } from "commander";
import { timeOf, wholeOf } from "./arguments.ts";
import { dataFolder } from "./data.ts";
import { openTellingReader } from "./reader.ts";
import { RECORD_SCHEMA } from "./record-schema.ts";

/** Options of every command that reads a ledger. */
export interface ReaderOptions {
  readonly config: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Options that say which records a command is about. */
export interface SelectionOptions extends ReaderOptions {
  readonly agent?: string;
  readonly session?: string;
  readonly call?: string;
  readonly tool?: string;
  readonly verdict?: string;
  readonly kind?: string[];
  readonly status?: string;
  readonly since?: string;
  readonly until?: string;
  readonly where?: string;
}

/** Which records a command is about, as the reader takes it. */
export interface RecordSelection {
  readonly filter: LedgerFilter;
  readonly accepts: (record: LedgerRecord) => boolean;
  /** Whether words are searched for. */
  readonly words: boolean;
  /**
   * What to tell in the end of records for which the condition could not be evaluated; undefined if there were none.
   */
  leftOut(): string | undefined;
}

/** Adds the query and the options that say which records a command is about. */
export function withSelection(command: Command): Command {
  return command
    .argument("[query...]", "what must be true of the records, as in `agent:bot tool:mail__* verdict:deny since:2h`")
    .option("--where <condition>", "a CEL condition too, as in `record.ms > 500 && record.tool.server == 'mail'`")
    .option("--agent <name>", "the agent; `*` and `?` stand for any characters")
    .option("--session <id>", "one session")
    .option("--call <id>", "one call")
    .option("--tool <name>", "the tool, as in `mail__*`")
    .option("--verdict <verdict>", "allow, deny or hold")
    .option("--kind <kind...>", "intent, outcome, denial, approval, callback, config, boot ...")
    .option("--status <status>", "ok, error, cancelled, timeout, input_required or unknown")
    .option("--since <time>", "a time such as 2026-03-01T12:00:00Z, a date, or how long ago: 90s, 15m, 2h, 7d")
    .option("--until <time>", "the same; a date is its end");
}

const TERM = /[:=<>"]/;

/** What `withSelection` added says. Throws `BAD_ARGUMENT`. */
export function selectionOf(query: readonly string[], options: SelectionOptions): RecordSelection {
  const { agent, session, call, tool, verdict, status } = options;
  // `--kind` takes several values, and with them the terms that come after it.
  const [kind, late] = [options.kind?.filter((k) => !TERM.test(k)), options.kind?.filter((k) => TERM.test(k)) ?? []];
  const { terms, ...times } = queryOf([...query, ...late]);
  for (const field of ["since", "until"] as const) {
    if (options[field] === undefined) continue;
    if (times[field] !== undefined)
      throw new CallgateError("BAD_ARGUMENT", `\`${field}\` is given twice`, { help: "as an option or in the query" });
    times[field] = flagTime(field, options[field]);
  }
  const condition = options.where === undefined ? undefined : conditionOf(options.where);
  return {
    filter: {
      terms,
      ...times,
      ...(agent !== undefined && { agent }),
      ...(session !== undefined && { session }),
      ...(call !== undefined && { call }),
      ...(tool !== undefined && { tool }),
      ...(verdict !== undefined && { verdict }),
      ...(status !== undefined && { status }),
      ...(kind !== undefined && { kind: kind.flatMap((k) => k.split(",")) }),
    },
    accepts: condition?.accepts ?? (() => true),
    words: terms.some((term) => term.field === "text"),
    leftOut: () => condition?.leftOut(),
  };
}

/**
 * The query that a command line holds. A shell has taken the quotes off by then: an argument with a space in it had
 * some.
 */
function queryOf(args: readonly string[]): { terms: Query["terms"]; since?: string; until?: string } {
  const text =
    args.length === 1
      ? (args[0] as string)
      : args
          .map((arg) => (/\s/.test(arg) && !arg.includes('"') ? arg.replace(/^([-!]?[a-z]+:)?(.*)$/is, '$1"$2"') : arg))
          .join(" ");
  const parsed = parseQuery(text);
  if (parsed.ok) return parsed.query;
  const place = text.includes(" ") || parsed.column > 1 ? ` (column ${parsed.column} of \`${text}\`)` : "";
  throw new CallgateError(
    "BAD_ARGUMENT",
    `${parsed.message}${place}`,
    parsed.help === undefined ? {} : { help: parsed.help },
  );
}

function flagTime(field: "since" | "until", text: string): string {
  const at = parseTime(timeOf(text), Date.now(), field === "until");
  if (at !== undefined) return new Date(at).toISOString();
  throw new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`--${field}\` is not a time`, {
    help: "write it as in 2026-03-01T12:00:00Z, or how long ago: 90s, 15m, 2h, 7d",
  });
}

function conditionOf(text: string): {
  readonly accepts: (record: LedgerRecord) => boolean;
  readonly leftOut: () => string | undefined;
} {
  const condition = compileCondition(text, "record", RECORD_SCHEMA, "--where");
  if (!condition.ok)
    throw new CallgateError("BAD_ARGUMENT", "`--where` is not a condition over a record", {
      diagnostics: condition.diagnostics,
    });
  let failed = 0;
  let why = "";
  return {
    accepts(record) {
      const outcome = condition.evaluate(record);
      if (outcome.ok) return outcome.holds;
      // A record that lacks what the condition is about is not one that it holds for.
      if (!outcome.absent) {
        failed++;
        why = outcome.message;
      }
      return false;
    },
    leftOut: () =>
      failed === 0
        ? undefined
        : `left out ${failed} ${failed === 1 ? "record" : "records"}: the condition cannot be evaluated for them: ${why}`,
  };
}

/** Opens the ledger that the options name, for as long as `work` takes. */
export async function withReader(
  options: ReaderOptions,
  work: (reader: LedgerReader, folder: string) => void | Promise<void>,
): Promise<void> {
  const folder = await dataFolder(options);
  const reader = openTellingReader(folder);
  try {
    await work(reader, folder);
  } catch (error) {
    // What was typed is wrong, not the ledger.
    if (error instanceof CallgateError && error.code === "LEDGER_FILTER_INVALID")
      throw new CallgateError("BAD_ARGUMENT", error.message, error.help === undefined ? {} : { help: error.help });
    throw error;
  } finally {
    reader.close();
  }
}

/** How many records, from an option that bounds them; from 1 to 10,000. */
export function limitOf(name: string, text: string): number {
  const limit = wholeOf(name, text);
  if (limit >= 1 && limit <= 10_000) return limit;
  throw new CallgateError("BAD_ARGUMENT", `\`${text}\` in \`${name}\` is out of range`, {
    help: "use a whole number from 1 to 10000, or `--all`",
  });
}

/** Says on stderr what is missing from an answer because the index of words is behind. */
export function tellLag(reader: LedgerReader): void {
  const { missed } = reader.searchState();
  if (missed > 0) console.error(`the index of words is behind: the newest ${missed} records were not searched`);
}
