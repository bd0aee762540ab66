import { existsSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CallgateError, messageOf } from "@callgate/core";
import { IDENTITY, printable } from "@callgate/gateway";
import {
  cefLine,
  cutOff,
  type ExportCursor,
  type Exported,
  type ExportTarget,
  jsonLine,
  type LedgerReader,
  type OutgoingRecord,
  ocsfEvent,
  openCursor,
  openFileTarget,
  openTree,
  runExport,
  syslogMessage,
  writeTiles,
} from "@callgate/ledger";
import { Command } from "commander";
import { wholeOf } from "../arguments.ts";
import { withConfig } from "../configuration.ts";
import { type ExportAddress, parseAddress } from "../export/address.ts";
import { openOtlpTarget } from "../export/otlp-target.ts";
import { openSyslogTarget } from "../export/syslog-target.ts";
import { type SelectionOptions, selectionOf, withReader, withSelection } from "../record-selection.ts";
import { counted, progressOf } from "../render/progress.ts";

interface Options extends SelectionOptions {
  readonly to: string;
  readonly cursor?: string;
  readonly from?: string;
  readonly follow?: boolean;
  readonly payloads?: boolean;
}

/** Where single records go. */
type RecordAddress = Exclude<ExportAddress, { kind: "tiles" }>;

const POLL_MS = 250;

/** `callgate ledger export`: brings records to another place, each once, and goes on where it stopped. */
export function exportCommand(): Command {
  return withSelection(withConfig(new Command("export")))
    .description("bring records to another place; run again, it goes on where it stopped")
    .requiredOption(
      "--to <target>",
      "`jsonl:FILE`, `ocsf:FILE`, `cef:FILE`, `cef:tls://HOST:PORT` (or `udp`, `tcp`), `otlp:http://HOST:4318`, `tiles:FOLDER`",
    )
    .option("--cursor <file>", "where it remembers how far it got (default: beside the target, or in the data folder)")
    .option("--from <seq>", "begin anew with this record, in a new file")
    .option("-f, --follow", "go on with new records as they come")
    .option("--payloads", "arguments and results too, as far as they were kept")
    .option("--json", "print the summary as JSON")
    .addHelpText("after", HELP)
    .action((query: string[], options: Options) => {
      const address = parseAddress(options.to);
      refuseUseless(address, query, options);
      const selection = selectionOf(query, options);
      const from = options.from === undefined ? undefined : wholeOf("--from", options.from);
      return withReader(options, async (reader, folder) => {
        const file = options.cursor ?? cursorFile(address, folder);
        const cursor = openCursor(file, reader.log, contentOf(address, query, options), from !== undefined);
        try {
          if (from !== undefined || cursor.place === undefined) begin(address, cursor, Math.max(0, (from ?? 1) - 1));
          const signal = endSignal();
          const done =
            address.kind === "tiles"
              ? await exportTiles(address.path, folder, cursor, options.follow === true, signal)
              : await exportRecords(address, reader, cursor, options, { ...selection, signal });
          const leftOut = selection.leftOut();
          if (leftOut !== undefined) console.error(leftOut);
          if (options.json) console.log(JSON.stringify({ ...done, log: reader.log, cursor: cursor.path }));
          else
            console.log(
              `exported ${counted(done.records)} ${done.records === 1 ? "record" : "records"} to ${printable(options.to)}, up to record ${done.seq}`,
            );
        } finally {
          cursor.close();
        }
      });
    });
}

async function exportRecords(
  address: RecordAddress,
  reader: LedgerReader,
  cursor: ExportCursor,
  options: Options,
  { filter, accepts, signal }: Pick<ReturnType<typeof selectionOf>, "filter" | "accepts"> & { signal: AbortSignal },
): Promise<Exported> {
  const progress = process.stderr.isTTY && !options.follow ? progressOf("records") : undefined;
  const target = await openTarget(address, reader, cursor);
  let told = "";
  let done: Exported;
  try {
    done = await runExport(reader, target, cursor, {
      filter,
      accepts,
      signal,
      payloads: options.payloads === true,
      follow: options.follow === true,
      ...(progress && { onProgress: progress }),
      onRetry(error) {
        const text = printable(messageOf(error));
        if (text !== told) console.error(`warning: ${text}; trying again until it does`);
        told = text;
      },
    });
  } catch (error) {
    // What it failed with matters more than how it closes.
    await target.close().catch(() => undefined);
    throw error;
  }
  await target.close();
  return done;
}

function openTarget(address: RecordAddress, reader: LedgerReader, cursor: ExportCursor): Promise<ExportTarget> {
  const { version } = IDENTITY;
  switch (address.kind) {
    case "otlp":
      return openOtlpTarget(address.url, reader, version, (text) => console.error(`warning: ${printable(text)}`));
    case "syslog": {
      const host = hostname();
      return openSyslogTarget(address, ({ record }) => syslogMessage(record, cefLine(record, version), host));
    }
    case "jsonl":
    case "ocsf":
    case "cef":
      return openFileTarget(address.path, cursor.place, LINES[address.kind]);
    default:
      return address satisfies never;
  }
}

const LINES: { readonly [kind in "jsonl" | "ocsf" | "cef"]: (out: OutgoingRecord) => string } = {
  jsonl: ({ record, payloads }) => jsonLine(record, payloads),
  ocsf: ({ record, payloads }) => JSON.stringify(ocsfEvent(record, IDENTITY.version, payloads)),
  cef: ({ record }) => cefLine(record, IDENTITY.version),
};

async function exportTiles(
  path: string,
  folder: string,
  cursor: ExportCursor,
  follow: boolean,
  signal: AbortSignal,
): Promise<Exported> {
  const tree = openTree(folder);
  try {
    const began = cursor.place?.seq ?? 0;
    for (;;) {
      const before = cursor.place?.seq ?? 0;
      const { size } = tree.checkpoint;
      if (size < before) throw cutOff(cursor.path, before, size);
      if (size > before) {
        const { missing } = writeTiles(path, tree, before);
        if (missing > 0) console.error(`${missing} bundles of entries are left out: their records were archived`);
        cursor.save({ seq: size });
      }
      if (!follow || signal.aborted) return { records: (cursor.place?.seq ?? 0) - began, seq: cursor.place?.seq ?? 0 };
      await pause(POLL_MS, undefined, { signal }).catch(() => undefined);
      tree.refresh();
    }
  } finally {
    tree.close();
  }
}

/** A new export: its target MUST be new too, or what is there would be repeated or cut off. */
function begin(address: ExportAddress, cursor: ExportCursor, seq: number): void {
  const isFile = address.kind === "jsonl" || address.kind === "ocsf" || address.kind === "cef";
  if (isFile && existsSync(address.path) && statSync(address.path).size > 0)
    throw new CallgateError("EXPORT_TARGET", `\`${address.path}\` is there already, and no cursor belongs to it`, {
      help: "name a new file, or the cursor of this one with `--cursor`",
    });
  cursor.save({ seq, ...(isFile && { bytes: 0 }) });
}

function cursorFile(address: ExportAddress, folder: string): string {
  switch (address.kind) {
    case "syslog":
    case "otlp": {
      const kind = address.kind === "otlp" ? "otlp" : `cef-${address.transport}`;
      return join(folder, "exports", `${kind}-${address.host.replaceAll(/[^\w.-]/g, "_")}-${address.port}.cursor`);
    }
    case "jsonl":
    case "ocsf":
    case "cef":
    case "tiles":
      return `${resolve(address.path)}.cursor`;
    default:
      return address satisfies never;
  }
}

/** What is exported, in words that are the same whenever the same command is run. */
function contentOf(address: ExportAddress, query: readonly string[], options: Options): string {
  const { agent, session, call, tool, verdict, kind, status, since, until, where } = options;
  const flags = { agent, session, call, tool, verdict, kind: kind?.join(","), status, since, until, where };
  const given = Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`]));
  const format = address.kind === "syslog" ? "cef" : address.kind;
  return [format, ...(options.payloads ? ["with payloads"] : []), ...query, ...given].join(" ");
}

function refuseUseless(address: ExportAddress, query: readonly string[], options: Options): void {
  if (options.payloads && (address.kind === "cef" || address.kind === "syslog" || address.kind === "tiles"))
    throw new CallgateError("BAD_ARGUMENT", "this target has no place for payloads", {
      help: "`jsonl`, `ocsf` and `otlp` have",
    });
  if (address.kind !== "tiles") return;
  if (contentOf(address, query, options) !== "tiles" || options.from !== undefined)
    throw new CallgateError("BAD_ARGUMENT", "`tiles` takes the whole log", {
      help: "leave the query and `--from` away",
    });
}

/** Aborts when the process is asked to end: a batch that is under way is finished first. */
function endSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

const HELP = `
Files get each record exactly once, whenever the export is interrupted. Over the network a batch whose answer was lost comes again:
receivers know it by the log's id and the record's number.

  callgate ledger export --to jsonl:calls.jsonl
  callgate ledger export --to otlp:http://localhost:4318 --follow
  callgate ledger export --to cef:tls://siem.example.com:6514 --follow verdict:deny`;
