import { CallgateError } from "@callgate/core";
import { printable } from "@callgate/gateway";
import { runSql, type SqlValue } from "@callgate/ledger";
import { Command } from "commander";
import { withConfig } from "../configuration.ts";
import { dataFolder } from "../data.ts";
import { secondsOf } from "../duration.ts";
import { table } from "../output.ts";
import type { ReaderOptions } from "../record-selection.ts";
import { limitOf } from "../record-selection.ts";
import { printCsv } from "../render/csv.ts";
import { shortText } from "../render/json.ts";
import { formatOf } from "../render/printer.ts";

interface Options extends ReaderOptions {
  readonly limit: string;
  readonly timeout: string;
  readonly csv?: boolean;
}

const CELL = 60;

/** `callgate ledger sql`: one SELECT of an analyst. */
export function sqlCommand(): Command {
  return withConfig(new Command("sql"))
    .description("run one SELECT over the views `records` and `calls`; nothing else can be read, and nothing changed")
    .argument("<statement>", "as in `SELECT agent, count(*) FROM calls WHERE verdict = 'deny' GROUP BY agent`")
    .option("--limit <n>", "at most so many rows", "1000")
    .option("--timeout <time>", "how long it may take", "10s")
    .option("--json", "print one JSON object a line")
    .option("--csv", "print CSV")
    .action(async (statement: string, options: Options) => {
      const format = formatOf(options);
      const limits = { rows: limitOf("--limit", options.limit), ms: secondsOf(options.timeout) * 1000 };
      let names: readonly string[] = [];
      const rows: string[][] = [];
      const more = await runSql(await dataFolder(options), statement, limits, {
        columns(columns) {
          names = unique(columns);
          if (format === "csv") printCsv(names);
        },
        row(values) {
          if (format === "csv") printCsv(values);
          else if (format === "json") console.log(JSON.stringify(objectOf(names, values)));
          else rows.push(values.map((value) => (value === null ? "-" : shortText(String(value), CELL))));
        },
      }).catch((error: unknown) => {
        // What was typed is wrong, not the ledger.
        if (error instanceof CallgateError && error.code === "SQL_REFUSED")
          throw new CallgateError("BAD_ARGUMENT", printable(error.message), {
            ...(error.help && { help: error.help }),
          });
        throw error;
      });
      if (format === "table") console.log(rows.length === 0 ? "no row" : table(names.map(printable), rows));
      if (more) console.error(`the first ${limits.rows} rows; for more: --limit`);
    });
}

function objectOf(names: readonly string[], values: readonly SqlValue[]): Record<string, SqlValue> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));
}

/** Two columns of one name would be one member. */
function unique(names: readonly string[]): string[] {
  const seen = new Map<string, number>();
  return names.map((name) => {
    const n = (seen.get(name) ?? 0) + 1;
    seen.set(name, n);
    return n === 1 ? name : `${name}_${n}`;
  });
}
