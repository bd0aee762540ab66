import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { CallgateError } from "@callgate/core";
import { formOf } from "../data-file.ts";
import { heldFileKey } from "../file-key.ts";
import { ledgerPath } from "../folder.ts";
import { openReader } from "../reader.ts";
import type { Asked, ChildLine } from "./child.ts";

/** What one statement may take. */
export interface SqlLimits {
  /** Rows, from 1. */
  readonly rows: number;
  /** Milliseconds. */
  readonly ms: number;
}

export type SqlValue = string | number | null;

/** What a statement gives, as it comes. */
export interface SqlSink {
  columns(names: readonly string[]): void;
  row(values: readonly SqlValue[]): void;
}

/** Megabytes of memory that a statement may take, where the system can hold it to that. */
const MEMORY_MB = 1024;

/**
 * Runs one reading statement over a ledger, in a process of its own that is killed when its time is over. The statement
 * sees the views `records` and `calls` and the table `record`; everything else is refused. True if there were more rows
 * than allowed. Rejects with `SQL_REFUSED` (the statement), `SQL_LIMIT` (its time or memory), or what `openReader`
 * throws.
 */
export async function runSql(folder: string, sql: string, limits: SqlLimits, sink: SqlSink): Promise<boolean> {
  openReader(folder).close();
  // Built or bundled, all files are beside each other: see scripts/package.ts.
  const file = fileURLToPath(
    new URL(import.meta.url.endsWith(".ts") ? "./child.ts" : "./sql-child.js", import.meta.url),
  );
  const args = ["--disable-warning=ExperimentalWarning", file, ledgerPath(folder), String(limits.rows)];
  // Its processor time is limited too: should this process die, nobody would end the other.
  const ulimits = `ulimit -d ${MEMORY_MB * 1024}; ulimit -t ${Math.ceil(limits.ms / 1000) + 5}`;
  const [command, given] =
    process.platform === "win32"
      ? [process.execPath, args]
      : ["/bin/sh", ["-c", `${ulimits}; exec "$0" "$@"`, process.execPath, ...args]];
  const child = spawn(command as string, given as string[], { stdio: ["pipe", "pipe", "pipe"], env: {} });
  let complaint = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    complaint = `${complaint}${String(chunk)}`.slice(0, 2000);
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, limits.ms);
  const closed = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  child.stdin?.on("error", () => {});
  // Not as an argument, which every user of the machine could read.
  const key = formOf(ledgerPath(folder)) === "encrypted" ? heldFileKey(folder) : undefined;
  // Well-formed: two builds of SQLite MUST NOT read two things into half a character.
  child.stdin?.end(JSON.stringify({ sql: sql.toWellFormed(), ...(key !== undefined && { key }) } satisfies Asked));
  let end: { readonly more: boolean } | undefined;
  try {
    for await (const text of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
      const line = JSON.parse(text) as ChildLine;
      if ("columns" in line) sink.columns(line.columns);
      else if ("row" in line) sink.row(line.row);
      else if ("end" in line) end = line.end;
      else throw refused(line.error);
    }
    await closed;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
  if (end) return end.more;
  throw new CallgateError(
    "SQL_LIMIT",
    late
      ? `the statement took longer than ${limits.ms / 1000} s`
      : "the statement ended its process, most likely for want of memory",
    {
      help: "narrow it down: by `seq`, `agent`, `session`, `call` or `tool`, which have indexes",
      ...(complaint !== "" && { cause: new Error(complaint) }),
    },
  );
}

function refused(message: string): CallgateError {
  return new CallgateError(
    "SQL_REFUSED",
    message.replace(/^[A-Z](?=[a-z])/, (c) => c.toLowerCase()),
    {
      help: "one SELECT over `records` (one row a record) or `calls` (one a call): see docs/ledger.md",
    },
  );
}
