import { DatabaseSync } from "node:sqlite";
import { openWith } from "../data-file.ts";
import type { FileKey } from "../file-key.ts";
import { SCHEMA } from "../schema.ts";
import type { Rows } from "./child.ts";
import { guard } from "./guard.ts";
import { VIEWS } from "./views.ts";

/**
 * Runs a statement on an encrypted file. The SQLite that can decrypt has no authorizer, and the one that has cannot decrypt. But what
 * a statement that gives rows may touch is decided when it is compiled, and that depends on nothing but its text and the tables'
 * definitions: so it is compiled first by the one with the authorizer, over an empty ledger of the same tables and views, and runs on
 * the other only if nothing was refused. INVARIANT: the text that runs is the text that was compiled, and the file's own tables are
 * the format's.
 */
export function encryptedRows(file: string, key: FileKey, sql: string): Rows {
  const empty = new DatabaseSync(":memory:", { allowExtension: false });
  for (const statement of SCHEMA) empty.exec(statement);
  guard(empty).compile(sql);
  empty.close();

  const db = openWith(file, key, { readonly: true, fileMustExist: true, timeout: 5000 });
  // A view or a trigger that somebody put into the file could read what the statement itself may not.
  const own = db.prepare<[], string>("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").pluck().all();
  const format = new Set(SCHEMA);
  if (own.some((text) => !format.has(text)) || own.length !== format.size)
    throw new Error("the file's tables are not those of a ledger: run `callgate ledger verify`");
  for (const [name, select] of Object.entries(VIEWS)) db.exec(`CREATE TEMP VIEW ${name} AS ${select}`);
  db.exec("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  const statement = db.prepare<[], readonly unknown[]>(sql);
  if (!statement.reader || !statement.readonly) throw new Error("nothing can be changed here");
  return {
    columns: statement.columns().map((column) => column.name),
    rows: statement.raw().safeIntegers().iterate() as Iterable<readonly unknown[]>,
  };
}
