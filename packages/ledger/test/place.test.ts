import type * as fs from "node:fs";
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { openLedger } from "../src/index.ts";
import { placeOf } from "../src/place.ts";
import { dataFolder } from "./folder.ts";

const frozen = vi.hoisted((): { at: number | undefined } => ({ at: undefined }));

// A file system whose times are so coarse that nothing in the test changes them.
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  return {
    ...real,
    statSync(...args: [string]) {
      const stat = real.statSync(...args);
      return stat && frozen.at !== undefined ? Object.assign(stat, { mtimeMs: frozen.at, ctimeMs: frozen.at }) : stat;
    },
  };
});
afterEach(() => void (frozen.at = undefined));

const CHANGED = 1_000_000;

function openDatabase(path: string): Database.Database {
  const db = new Database(path);
  onTestFinished(() => void db.close());
  db.pragma("journal_mode = WAL");
  db.exec("CREATE TABLE IF NOT EXISTS t (x)");
  return db;
}

/** A database, and a look at its place some milliseconds after its folder was changed. */
function placed(): { path: string; lookAt(ms: number): void } {
  const folder = dataFolder();
  mkdirSync(folder);
  const path = join(folder, "ledger.db");
  let now = CHANGED;
  const require = placeOf(openDatabase(path), { now: () => now });
  frozen.at = CHANGED;
  return {
    path,
    lookAt(ms) {
      now = CHANGED + ms;
      require();
    },
  };
}

describe("a file of a ledger that is open and is moved or deleted", () => {
  it.each(["", "-wal", "-shm"])("is missed at once (%s) while the folder's time may be an older change's", (end) => {
    const { path, lookAt } = placed();
    lookAt(300);
    lookAt(2000);
    rmSync(`${path}${end}`);
    expect(() => lookAt(2001)).toThrow(/was moved or deleted/);
  });

  it("is missed after a second at the latest where the folder's time does not change", () => {
    const { path, lookAt } = placed();
    lookAt(5000);
    rmSync(`${path}-wal`);
    expect(() => lookAt(6000)).toThrow("its file `ledger.db-wal` was moved or deleted");
  });

  it("is missed at once where the clock went back", () => {
    const { path, lookAt } = placed();
    lookAt(50_000);
    rmSync(`${path}-wal`);
    expect(() => lookAt(49_000)).toThrow(/was moved or deleted/);
  });

  it.each(["-wal", "-shm", ""])("is missed where `ledger.db` is a link to another folder (%s)", async (end) => {
    const folder = dataFolder();
    const elsewhere = join(dirname(folder), "elsewhere");
    await (await openLedger({ folder })).close();
    mkdirSync(elsewhere);
    renameSync(join(folder, "ledger.db"), join(elsewhere, "real.db"));
    symlinkSync(join(elsewhere, "real.db"), join(folder, "ledger.db"));
    const ledger = await openLedger({ folder });
    await ledger.append({ kind: "denial" });
    rmSync(join(elsewhere, `real.db${end}`));
    await expect(ledger.append({ kind: "denial" })).rejects.toMatchObject({ code: "LEDGER_FAILED" });
    await ledger.close();
  });

  it("is missed where the link leads to another file", () => {
    const { path: real } = placed();
    const link = join(dirname(real), "link.db");
    symlinkSync(real, link);
    const require = placeOf(openDatabase(link), { now: () => CHANGED });
    require();
    rmSync(link);
    writeFileSync(link, "");
    expect(require).toThrow("its file was moved or deleted");
  });
});
