import { CallgateError, type LedgerRecord } from "@callgate/core";
import { printCsv } from "./csv.ts";
import { RECORD_CSV, recordHead, recordLine } from "./records.ts";

/** How records are printed. */
export type RecordFormat = "table" | "json" | "csv";

/** Records between two looks at whether somebody still reads. */
const LOOK = 200;

/** What the options `--json` and `--csv` ask for. Throws `BAD_ARGUMENT` for both. */
export function formatOf(options: { readonly json?: boolean; readonly csv?: boolean }): RecordFormat {
  if (options.json && options.csv) throw new CallgateError("BAD_ARGUMENT", "`--json` and `--csv` exclude each other");
  return options.json ? "json" : options.csv ? "csv" : "table";
}

/** Prints records to stdout one by one, as long as somebody reads them. */
export class RecordPrinter {
  /** Nobody reads any more, or the user wants to stop. */
  ended = false;
  readonly #format: RecordFormat;
  #headed = false;

  constructor(format: RecordFormat) {
    this.#format = format;
    // Whoever reads the output may stop reading: `ledger query --all | head`.
    process.stdout.on("error", () => this.#end());
  }

  /** From now on a signal ends the printing, not the process. */
  endOnSignal(): void {
    process.once("SIGINT", () => this.#end());
    process.once("SIGTERM", () => this.#end());
  }

  #end(): void {
    this.ended = true;
  }

  /** The heading, once. */
  head(): void {
    if (this.#headed) return;
    this.#headed = true;
    if (this.#format === "table") console.log(recordHead(process.stdout.columns));
    if (this.#format === "csv") printCsv(RECORD_CSV.map(([head]) => head));
  }

  /** Prints up to `limit` records, and gives the last one and how many there were. */
  async print(
    records: Iterable<LedgerRecord>,
    limit: number = Number.POSITIVE_INFINITY,
  ): Promise<{ readonly count: number; readonly last: LedgerRecord | undefined }> {
    let count = 0;
    let last: LedgerRecord | undefined;
    if (limit === 0) return { count, last };
    for (const record of records) {
      if (this.ended) break;
      this.head();
      this.#line(record);
      last = record;
      if (++count >= limit) break;
      if (count % LOOK === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    return { count, last };
  }

  #line(record: LedgerRecord): void {
    switch (this.#format) {
      case "json":
        console.log(JSON.stringify(record));
        break;
      case "csv":
        printCsv(RECORD_CSV.map(([, cell]) => cell(record)));
        break;
      case "table":
        console.log(recordLine(record, process.stdout.columns));
        break;
      default:
        this.#format satisfies never;
    }
  }
}
