import { spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOf } from "@callgate/core";
import { describe, expect, it, vi } from "vitest";
import { formOf, openDataFile } from "../src/data-file.ts";
import { holdFileKey, openLedger, openReader, rekeyFolder, sealText, unsealText } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

const K1 = "1a".repeat(32);
const K2 = "2b".repeat(32);
const CLEAR = "IN-THE-CLEAR";
const tool = { server: "mail", name: "send", digest: digestOf("tool") };

async function ledgerOf(records: number, payload = "1"): Promise<string> {
  const folder = dataFolder();
  const ledger = await openLedger({ folder, sync: "off", segment: 500 });
  const draft = (i: number) =>
    ({
      kind: "denial",
      agent: CLEAR,
      session: `ses_${i % 20}`,
      call: `c${i}`,
      tool,
      payloads: { args: payload },
    }) as never;
  await Promise.all(Array.from({ length: records }, async (_, i) => await ledger.append(draft(i))));
  await ledger.close();
  const approvals = openDataFile(join(folder, "approvals.db"));
  approvals.pragma("journal_mode = WAL");
  approvals.exec(`CREATE TABLE approvals (id TEXT, args TEXT); INSERT INTO approvals VALUES ('apr', '${CLEAR}')`);
  approvals.close();
  mkdirSync(join(folder, "pins"));
  writeFileSync(join(folder, "pins", "mail.json"), `{"tools":{"${CLEAR}":1}}`);
  writeFileSync(join(folder, "search.db"), CLEAR);
  return folder;
}

function copyOf(folder: string): string {
  const copy = dataFolder();
  cpSync(folder, copy, { recursive: true });
  return copy;
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

const inClear = (folder: string): string[] => filesOf(folder).filter((file) => readFileSync(file).includes(CLEAR));

/** Rekeys in a process of its own, which is killed at its nth call of the file system or so many milliseconds after it began. */
async function rekeyed(
  folder: string,
  keys: readonly [string | undefined, string | undefined],
  end: { nth?: number; ms?: number; env?: NodeJS.ProcessEnv },
): Promise<string> {
  const script = fileURLToPath(new URL("rekeying.ts", import.meta.url));
  const [from, to] = keys.map((key) => key ?? "-");
  const child = spawn(process.execPath, [script, folder, from as string, to as string, String(end.nth ?? 0)], {
    env: { ...process.env, ...end.env },
  });
  let said = "";
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdout.on("data", (chunk) => {
    said += chunk;
    if (end.ms !== undefined && said.includes("begins")) setTimeout(() => child.kill("SIGKILL"), end.ms);
  });
  await new Promise((resolve) => child.on("close", resolve));
  expect(errors).toBe("");
  return said;
}

/** Everything as it is to be: the same records, the newest key only, nothing in the clear, nothing left over. */
function expectDone(folder: string, to: string | undefined, records: number): void {
  holdFileKey(folder, to);
  const reader = openReader(folder);
  expect(reader.verify()).toMatchObject({ ok: true, records });
  expect(reader.show(records - 1)?.payloads).toEqual({ args: "1" });
  reader.close();
  const approvals = openDataFile(join(folder, "approvals.db"), { readonly: true });
  expect(approvals.prepare("SELECT args FROM approvals").pluck().all()).toEqual([CLEAR]);
  approvals.close();
  const pin = readFileSync(join(folder, "pins", "mail.json"), "utf8");
  expect(unsealText(folder, "mail.json", pin)).toContain(CLEAR);
  if (to !== undefined) expect(inClear(folder)).toEqual([]);
  const names = filesOf(folder).map((file) => file.replace(/.*\//, ""));
  expect(names.filter((name) => /rekey|before|journal|\.new$|search/.test(name))).toEqual([]);
}

const WAYS = [
  ["encrypts", undefined, K1],
  ["rotates", K1, K2],
  ["decrypts", K1, undefined],
] as const;

describe("a change of the files' key that is killed", () => {
  it.each(WAYS)(
    "%s the whole folder when it is run again, whenever it was killed",
    { timeout: 60_000 },
    async (_, from, to) => {
      const plain = await ledgerOf(3000);
      rekeyFolder(plain, from);
      if (from !== undefined) writeFileSync(join(plain, "search.db"), "words");
      const first = openReader(plain);
      const { records } = first.verify();
      first.close();
      const whole = await rekeyed(copyOf(plain), [from, to], {});
      const calls = Number(/calls (\d+)/.exec(whole)?.[1]);
      expect(calls).toBeGreaterThan(20);
      const ends = Array.from({ length: 4 }, (_x, i) => [
        { nth: 1 + Math.floor(((i + Math.random()) * calls) / 4) },
        { ms: Math.random() * 50 },
      ]).flat();
      let killed = 0;
      const run = async (): Promise<void> => {
        for (let end = ends.pop(); end !== undefined; end = ends.pop()) {
          const folder = copyOf(plain);
          const said = await rekeyed(folder, [from, to], end);
          if (!said.includes("calls")) killed++;
          holdFileKey(folder, from);
          rekeyFolder(folder, to);
          expectDone(folder, to, records);
          // The ledger goes on.
          const ledger = await openLedger({ folder, sync: "off" });
          await ledger.append({ kind: "denial", agent: "x" } as never);
          await ledger.close();
        }
      };
      await Promise.all([run(), run(), run()]);
      expect(killed).toBeGreaterThanOrEqual(4);
    },
  );
});

describe("a change of the files' key", () => {
  it("ends a folder that has files with the old key, with the new one, and with none", async () => {
    const folder = await ledgerOf(50);
    const other = copyOf(folder);
    const third = copyOf(folder);
    rekeyFolder(folder, K1);
    holdFileKey(other, undefined);
    rekeyFolder(other, K2);
    cpSync(join(other, "payload-keys.db"), join(folder, "payload-keys.db"));
    cpSync(join(third, "approvals.db"), join(folder, "approvals.db"));
    holdFileKey(folder, K1);
    expect(rekeyFolder(folder, K2).map(({ what }) => what)).toEqual(["changed", "left", "changed"]);
    const reader = openReader(folder);
    const { records } = reader.verify();
    reader.close();
    expectDone(folder, K2, records);
  });

  it("refuses a file that neither key opens before it changes another", async () => {
    const folder = await ledgerOf(20);
    const other = copyOf(folder);
    rekeyFolder(other, K2);
    cpSync(join(other, "payload-keys.db"), join(folder, "payload-keys.db"));
    const before = readFileSync(join(folder, "ledger.db"));
    expect(() => rekeyFolder(folder, K1)).toThrow(expect.objectContaining({ code: "LEDGER_FILE_KEY_WRONG" }));
    expect(readFileSync(join(folder, "ledger.db")).equals(before)).toBe(true);
  });

  it("says which file another program has open, and changes none", async () => {
    const folder = await ledgerOf(20);
    const reader = openDataFile(join(folder, "approvals.db"), { readonly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT * FROM approvals").all();
    expect(() => rekeyFolder(folder, K1)).toThrow(
      expect.objectContaining({ code: "LEDGER_FILE_BUSY", message: expect.stringContaining("approvals.db") }),
    );
    expect(formOf(join(folder, "ledger.db"))).toBe("plain");
    expect(filesOf(folder).filter((file) => file.includes("rekey"))).toEqual([]);
    reader.close();
    rekeyFolder(folder, K1);
    expect(inClear(folder)).toEqual([]);
  });

  it("keeps the numbers of rows, and gives each file to its owner alone", async () => {
    const folder = await ledgerOf(600);
    const approvals = openDataFile(join(folder, "approvals.db"));
    approvals.exec("INSERT INTO approvals (rowid, id) VALUES (77, 'later'); PRAGMA user_version = 5");
    approvals.close();
    chmodSync(join(folder, "approvals.db"), 0o644);
    const rows = (path: string, sql: string): unknown => {
      const db = openDataFile(join(folder, path), { readonly: true });
      const all = db.prepare(sql).raw().all();
      db.close();
      return all;
    };
    const tiles = rows("ledger.db", "SELECT rowid, * FROM tile");
    rekeyFolder(folder, K1);
    expect(rows("ledger.db", "SELECT rowid, * FROM tile")).toEqual(tiles);
    expect(rows("approvals.db", "SELECT rowid, id FROM approvals")).toEqual([
      [1, "apr"],
      [77, "later"],
    ]);
    expect(rows("approvals.db", "PRAGMA user_version")).toEqual([[5]]);
    expect(statSync(join(folder, "approvals.db")).mode & 0o777).toBe(0o600);
  });

  it("writes nothing into the folder of temporary files", async () => {
    // More than SQLite keeps in memory.
    const folder = await ledgerOf(500, "x".repeat(50_000));
    const temporary = dataFolder();
    mkdirSync(temporary);
    const seen: (string | null)[] = [];
    const watcher = watch(temporary, (_event, name) => void seen.push(name));
    expect(await rekeyed(folder, [undefined, K1], { env: { SQLITE_TMPDIR: temporary } })).toContain("calls");
    writeFileSync(join(temporary, "end"), "");
    await vi.waitFor(() => expect(seen).toContain("end"));
    watcher.close();
    expect(new Set(seen)).toEqual(new Set(["end"]));
  });

  it("leaves whoever opens an encrypted file no temporary files to sort in", async () => {
    const folder = await ledgerOf(5);
    rekeyFolder(folder, K1);
    const db = openDataFile(join(folder, "ledger.db"), { readonly: true });
    expect(db.pragma("temp_store", { simple: true })).toBe(2);
    db.close();
  });

  it("overwrites what was there in the clear, but no copy that has a name of its own", async () => {
    const folder = await ledgerOf(20);
    const kept = join(folder, "..", "kept.db");
    linkSync(join(folder, "ledger.db"), kept);
    rekeyFolder(folder, K1);
    expect(readFileSync(kept).includes(CLEAR)).toBe(true);
    expect(existsSync(join(folder, "ledger.db.before"))).toBe(false);
  });
});

describe("a text of a data folder", () => {
  it("is sealed under the folder's key and its own name", () => {
    const folder = dataFolder();
    expect(sealText(folder, "a.json", CLEAR)).toBe(CLEAR);
    holdFileKey(folder, K1);
    const sealed = sealText(folder, "a.json", CLEAR);
    expect(sealed).toMatch(/^callgate-sealed\/1 [A-Za-z0-9+/=]+\n$/);
    expect(sealed).not.toBe(sealText(folder, "a.json", CLEAR));
    expect(unsealText(folder, "a.json", sealed)).toBe(CLEAR);
    expect(() => unsealText(folder, "b.json", sealed)).toThrow(
      expect.objectContaining({ code: "LEDGER_FILE_KEY_WRONG" }),
    );
    holdFileKey(folder, undefined);
    expect(() => unsealText(folder, "a.json", sealed)).toThrow(expect.objectContaining({ code: "LEDGER_ENCRYPTED" }));
  });
});
