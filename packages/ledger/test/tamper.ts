import type Database from "better-sqlite3";
import { openDataFile } from "../src/data-file.ts";
import { ledgerPath } from "../src/folder.ts";

/** Does what an administrator of the file can do: drops the triggers, changes rows, and puts the triggers back. */
export function tamper(folder: string, change: (db: Database.Database) => void): void {
  const db = openDataFile(ledgerPath(folder));
  const triggers = db
    .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    .all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER ${name}`);
  change(db);
  for (const { sql } of triggers) db.exec(sql);
  db.close();
}
