import type { DatabaseSync, StatementSync } from "node:sqlite";
import { newAuthorizer } from "./authorizer.ts";
import { VIEWS } from "./views.ts";

/** Has a connection read nothing but the views and what is behind them. */
export interface Guard {
  /** Compiles one statement. Throws, with the first thing that was refused, for what MUST NOT run. */
  compile(sql: string): StatementSync;
  /** Throws what was refused while a statement ran, in place of what SQLite says of it. */
  explain(error: unknown): Error;
}

/** Guards a connection for good: makes the views, and lets SQLite ask the authorizer of whatever a statement does. */
export function guard(db: DatabaseSync): Guard {
  db.exec("PRAGMA temp_store = MEMORY");
  for (const [name, select] of Object.entries(VIEWS)) db.exec(`CREATE TEMP VIEW ${name} AS ${select}`);
  db.exec("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  const tables = db.prepare(`SELECT name FROM sqlite_schema UNION SELECT name FROM sqlite_temp_schema
    UNION SELECT name FROM pragma_module_list`);
  const authorizer = newAuthorizer(tables.all().map(({ name }) => String(name)));
  db.setAuthorizer((...asked) => authorizer.decide(...asked));
  const explain = (error: unknown): Error =>
    new Error(authorizer.refused() ?? (error instanceof Error ? error.message : String(error)));
  return {
    compile(sql) {
      try {
        const statement = db.prepare(sql);
        const rest = sql.slice(sql.indexOf(statement.sourceSQL) + statement.sourceSQL.length);
        if (/\S/.test(rest.replaceAll(/--[^\n]*|\/\*.*?(?:\*\/|$)|;/gs, " ")))
          throw new Error("only one statement can be run");
        // VACUUM asks only while it runs, for what it does behind the scenes. It gives no rows, and is not run.
        if (statement.columns().length === 0) throw new Error("nothing can be changed here");
        return statement;
      } catch (error) {
        throw explain(error);
      }
    },
    explain,
  };
}
