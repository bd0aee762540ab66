import type { FileKey } from "../file-key.ts";
import { encryptedRows } from "./encrypted.ts";
import { plainRows } from "./plain.ts";

/**
 * The process that runs one statement of an analyst: `child <file> <most rows>`, an `Asked` on stdin. It prints JSON lines: the
 * columns, each row, and in the end `{"end": ...}` or `{"error": ...}`. Whoever starts it ends it when its time is over: SQLite does
 * not stop by itself.
 */
export type ChildLine =
  | { readonly columns: readonly string[] }
  | { readonly row: readonly (string | number | null)[] }
  | { readonly end: { readonly more: boolean } }
  | { readonly error: string };

/** What it is asked. */
export interface Asked {
  readonly sql: string;
  /** Of the file, if it is encrypted. */
  readonly key?: FileKey;
}

/** What a statement that may run gives. Integers are BigInts, so that none is rounded. */
export interface Rows {
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly unknown[]>;
}

function say(line: ChildLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function run(file: string, most: number, { sql, key }: Asked): void {
  try {
    const { columns, rows } = key === undefined ? plainRows(file, sql) : encryptedRows(file, key, sql);
    say({ columns });
    let count = 0;
    for (const row of rows) {
      if (count++ === most) return say({ end: { more: true } });
      say({ row: row.map(plain) });
    }
    say({ end: { more: false } });
  } catch (error) {
    say({ error: error instanceof Error ? error.message : String(error) });
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
let asked = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk: string) => {
  asked += chunk;
});
process.stdin.on("end", () => run(file, Number(most), JSON.parse(asked) as Asked));
