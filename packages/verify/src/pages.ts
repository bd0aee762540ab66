import { openDatabase } from "./database.ts";
import type { FileKeys } from "./encrypted.ts";

/** Asks for a check of the file itself: its pages, and that each index has the entries that the tables say. */
export interface PagesTask {
  readonly pages: string;
  /** Of the file, if it is encrypted. */
  readonly fileKey?: FileKeys;
}

const PROBLEMS = 20;

/** What SQLite finds wrong with a file; empty if nothing. Without it a query could miss records that are there. */
export function pageProblems({ pages, fileKey }: PagesTask): string[] {
  const db = openDatabase(pages, fileKey);
  try {
    const rows = db.rows(`PRAGMA integrity_check(${PROBLEMS})`).all() as unknown as [string][];
    return rows.map(([problem]) => problem).filter((problem) => problem !== "ok");
  } finally {
    db.close();
  }
}
