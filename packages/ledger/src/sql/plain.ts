import { DatabaseSync } from "node:sqlite";
import type { Rows } from "./child.ts";
import { guard } from "./guard.ts";

/** Runs a statement on a file as it is. */
export function plainRows(file: string, sql: string): Rows {
  const db = new DatabaseSync(file, { readOnly: true, allowExtension: false, timeout: 5000 });
  const guarded = guard(db);
  const statement = guarded.compile(sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true);
  function* rows(): Generator<readonly unknown[]> {
    try {
      yield* statement.iterate() as unknown as Iterable<readonly unknown[]>;
    } catch (error) {
      throw guarded.explain(error);
    }
  }
  return { columns: statement.columns().map((column) => column.name), rows: rows() };
}
