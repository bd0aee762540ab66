import { DatabaseSync } from "node:sqlite";
import { newAuthorizer } from "./authorizer.ts";
import { VIEWS } from "./views.ts";

/**
 * The process that runs one statement of an analyst: `child <file> <most rows>`, the statement on stdin. It prints JSON
 * lines: the columns, each row, and in the end `{"end": ...}` or `{"error": ...}`. Whoever starts it ends it when its
 * time is over: SQLite does not stop by itself.
 */
export type ChildLine =
  | { readonly columns: readonly string[] }
  | { readonly row: readonly (string | number | null)[] }
  | { readonly end: { readonly more: boolean } }
  | { readonly error: string };

function say(line: ChildLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function run(file: string, most: number, sql: string): void {
  const db = new DatabaseSync(file, { readOnly: true, allowExtension: false, timeout: 5000 });
  db.exec("PRAGMA temp_store = MEMORY");
  for (const [name, select] of Object.entries(VIEWS)) db.exec(`CREATE TEMP VIEW ${name} AS ${select}`);
  db.exec("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
  const tables = db.prepare(`SELECT name FROM sqlite_schema UNION SELECT name FROM sqlite_temp_schema
    UNION SELECT name FROM pragma_module_list`);
  const authorizer = newAuthorizer(tables.all().map(({ name }) => String(name)));
  db.setAuthorizer((...asked) => authorizer.decide(...asked));
  try {
    const statement = db.prepare(sql);
    const rest = sql.slice(sql.indexOf(statement.sourceSQL) + statement.sourceSQL.length);
    if (/\S/.test(rest.replaceAll(/--[^\n]*|\/\*.*?(?:\*\/|$)|;/gs, " ")))
      throw new Error("only one statement can be run");
    statement.setReturnArrays(true);
    statement.setReadBigInts(true);
    say({ columns: statement.columns().map((column) => column.name) });
    let count = 0;
    for (const row of statement.iterate() as Iterable<unknown>) {
      if (count++ === most) return say({ end: { more: true } });
      say({ row: (row as readonly unknown[]).map(plain) });
    }
    say({ end: { more: false } });
  } catch (error) {
    say({ error: authorizer.refused() ?? (error instanceof Error ? error.message : String(error)) });
  }
}

/** A value as JSON has it: an integer that JavaScript would round is a text, a blob its hex digits. */
function plain(value: unknown): string | number | null {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return typeof value === "string" ? value : null;
}

const [file = "", most = "0"] = process.argv.slice(2);
let sql = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk: string) => {
  sql += chunk;
});
process.stdin.on("end", () => run(file, Number(most), sql));
