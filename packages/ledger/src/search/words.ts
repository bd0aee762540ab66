import { isObject, type LedgerRecord } from "@callgate/core";
import Database from "better-sqlite3";
import type { TextQuery } from "../query/text.ts";

/** The table of words, in the index file and wherever words are compared: both MUST find the same. */
export const WORDS = `CREATE VIRTUAL TABLE words USING fts5(text, content = '', contentless_delete = 1,
  tokenize = 'unicode61 remove_diacritics 2')`;

/** Characters of each payload that are looked at, and of which a longer one is not parsed. */
const MOST = 64 * 1024;
const PARSED = 1024 * 1024;

/**
 * The words of a record as one text: of the values (not the names) in its arguments and its result, and of its error
 * and reasons. Empty if it has none. Only the first 64 Ki characters of each part count, and no run of 128 letters or
 * more, which is data.
 */
export function textOf(record: LedgerRecord, payloads: { readonly [name: string]: string }): string {
  const parts = [payloads["args"], payloads["result"]].flatMap((text) => (text === undefined ? [] : [valuesOf(text)]));
  if (record.error) parts.push(record.error.message);
  const errors = record.detail?.["errors"];
  if (Array.isArray(errors))
    for (const error of errors)
      if (isObject(error) && typeof error["message"] === "string") parts.push(error["message"]);
  return parts
    .map((part) => part.slice(0, MOST).replaceAll(/[\w+/=-]{128,}/g, " "))
    .join("\n")
    .trim();
}

function valuesOf(json: string): string {
  if (json.length > PARSED) return json.slice(0, MOST).replaceAll(/\\(?:u[0-9a-f]{4}|.)/gi, " ");
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return json;
  }
  const found: string[] = [];
  let length = 0;
  const walk = (inner: unknown): void => {
    if (length > MOST) return;
    if (typeof inner === "string" || typeof inner === "number") {
      const text = String(inner);
      length += text.length + 1;
      found.push(text);
    } else if (typeof inner === "object" && inner !== null) Object.values(inner).forEach(walk);
  };
  walk(value);
  return found.join("\n");
}

/** Compares texts with a query, word by word as the index does. Close it after use. */
export class WordCheck {
  readonly #db = new Database(":memory:");
  readonly #insert: Database.Statement<[number, string]>;
  readonly #clear: Database.Statement<[]>;
  readonly #match: Database.Statement<[string], number>;
  readonly #query: TextQuery;

  constructor(query: TextQuery) {
    this.#query = query;
    this.#db.exec(WORDS);
    this.#insert = this.#db.prepare("INSERT INTO words (rowid, text) VALUES (?, ?)");
    this.#clear = this.#db.prepare("INSERT INTO words (words) VALUES ('delete-all')");
    this.#match = this.#db.prepare<[string], number>("SELECT rowid FROM words WHERE words MATCH ?").pluck();
  }

  /** Which of the texts match, by their place among them. */
  accepted(texts: readonly string[]): ReadonlySet<number> {
    this.#db.exec("BEGIN");
    for (const [i, text] of texts.entries()) this.#insert.run(i, text);
    const matches = (expression: string): ReadonlySet<number> => new Set(this.#match.all(expression));
    const [has, lacks] = [this.#query.has.map(matches), this.#query.lacks.map(matches)];
    this.#clear.run();
    this.#db.exec("COMMIT");
    const accepts = (i: number): boolean => has.every((set) => set.has(i)) && !lacks.some((set) => set.has(i));
    return new Set([...texts.keys()].filter(accepts));
  }

  close(): void {
    this.#db.close();
  }
}
