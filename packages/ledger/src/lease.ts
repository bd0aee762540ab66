import { join, resolve } from "node:path";
import { CallgateError } from "@callgate/core";
import Database from "better-sqlite3";
import { makePrivate } from "./folder.ts";

/**
 * Takes a lease: an exclusive transaction on a file of its own. The operating system ends it with the process, however that ends, and
 * nobody who reads something else is kept out. Throws what `busy` makes of it where another process holds the lease.
 */
export function takeLease(path: string, busy: (cause: unknown) => CallgateError): Database.Database {
  makePrivate(path);
  const lease = new Database(path, { timeout: 0 });
  try {
    lease.exec("BEGIN EXCLUSIVE");
    return lease;
  } catch (cause) {
    lease.close();
    throw (cause as { code?: string }).code === "SQLITE_BUSY" ? busy(cause) : cause;
  }
}

/** Takes the lease of a data folder: only one process at a time writes to it. Throws `LEDGER_LOCKED`. */
export function folderLease(folder: string): Database.Database {
  return takeLease(
    join(resolve(folder), "ledger.lock"),
    (cause) =>
      new CallgateError("LEDGER_LOCKED", `another broker is writing to the ledger in \`${folder}\``, {
        help: "stop it first, or give this one a data folder of its own with `--data`",
        cause,
      }),
  );
}
