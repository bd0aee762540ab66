import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openLedger, openReader, shredSession } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const failed = { code: "LEDGER_FAILED" };
const denial = (call: string) => ({ kind: "denial", agent: "bot", call }) as const;
const secret = { kind: "denial", session: "ses_a", payloads: { args: '"4711"' } } as const;

async function filled(): Promise<string> {
  const folder = dataFolder();
  const ledger = await openLedger({ folder });
  await ledger.append(secret);
  await ledger.close();
  return folder;
}

/** Puts a trigger in under a name that SQLite keeps for itself. */
function hide(folder: string, table: string): void {
  const db = new Database(join(folder, "ledger.db"));
  db.unsafeMode(true);
  db.pragma("writable_schema = ON");
  const sql = `CREATE TRIGGER sqlite_e1 BEFORE INSERT ON ${table} BEGIN SELECT raise(IGNORE); END`;
  db.prepare("INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('trigger', ?, ?, 0, ?)").run(
    "sqlite_e1",
    table,
    sql,
  );
  db.pragma(`schema_version = ${Number(db.pragma("schema_version", { simple: true })) + 1}`);
  db.close();
}

describe("a trigger with a name of SQLite's own", () => {
  it("keeps the ledger from opening", async () => {
    const folder = await filled();
    hide(folder, "record");
    await expect(openLedger({ folder })).rejects.toMatchObject({
      code: "LEDGER_CORRUPT",
      message: expect.stringContaining("`sqlite_e1` is not part of a ledger"),
    });
    const reader = openReader(folder);
    expect(reader.verify().ok).toBe(false);
    reader.close();
  });

  it.each(["record", "payload", "checkpoint"])(
    "that comes to %s meanwhile has no record acknowledged",
    async (table) => {
      const folder = dataFolder();
      const ledger = await openLedger({ folder });
      await ledger.append(secret);
      hide(folder, table);
      await expect(ledger.append(secret)).rejects.toMatchObject(failed);
      await ledger.close();
    },
  );
});

describe("a side file of the ledger that is deleted while it is open", () => {
  it.each(["-wal", "-shm"])("%s: nothing is acknowledged any more, and what was is there", async (end) => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    for (const call of ["a", "b", "c"]) await ledger.append(denial(call));
    rmSync(join(folder, `ledger.db${end}`));
    await expect(ledger.append(denial("d"))).rejects.toMatchObject(failed);
    await ledger.close();
    await (await openLedger({ folder })).close();
    const reader = openReader(folder);
    expect(reader.verify().findings).toEqual([]);
    expect(reader.query({ kind: ["denial"], order: "asc", limit: 3 }).map((r) => r.call)).toEqual(["a", "b", "c"]);
    reader.close();
  });
});

describe("the keys of payloads", () => {
  it("are not made anew where there are records", async () => {
    const folder = await filled();
    const path = join(folder, "payload-keys.db");
    copyFileSync(path, `${path}.bak`);
    const missing = { code: "LEDGER_KEYS_MISSING", help: expect.stringContaining("restore `payload-keys.db`") };
    rmSync(path);
    await expect(openLedger({ folder })).rejects.toMatchObject(missing);
    writeFileSync(path, "");
    await expect(openLedger({ folder })).rejects.toMatchObject(missing);
    copyFileSync(join(await filled(), "payload-keys.db"), path);
    await expect(openLedger({ folder })).rejects.toMatchObject(missing);
    copyFileSync(`${path}.bak`, path);
    await (await openLedger({ folder })).close();
  });

  it("stay shredded where an older copy of them is put back", async () => {
    const folder = await filled();
    const path = join(folder, "payload-keys.db");
    const db = new Database(path, { readonly: true });
    const key = db.prepare<[], Buffer>("SELECT key FROM key WHERE session = 'ses_a'").pluck().get() as Buffer;
    db.close();
    copyFileSync(path, `${path}.bak`);
    await shredSession({ folder }, "ses_a");
    copyFileSync(`${path}.bak`, path);
    expect(readFileSync(path).includes(key)).toBe(true);
    const ledger = await openLedger({ folder });
    const seq = await ledger.append(secret);
    await ledger.close();
    expect(readFileSync(path).includes(key)).toBe(false);
    const reader = openReader(folder);
    expect(reader.show(2)).toMatchObject({ payloads: {}, shredded: ["args"] });
    expect(reader.show(seq)).toMatchObject({ payloads: {}, shredded: [] });
    reader.close();
  });
});
