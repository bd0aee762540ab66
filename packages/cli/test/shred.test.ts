import { chmodSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { digestOf } from "@callgate/core";
import { ApprovalStore } from "@callgate/gateway";
import { openLedger } from "@callgate/ledger";
import Database from "better-sqlite3";
import { expect, onTestFinished, test, vi } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

// Each is several runs of the command, one after another.
vi.setConfig({ testTimeout: 30_000 });

/** A data folder with a call of each of two sessions, and one that is held. */
async function filled(): Promise<string> {
  const folder = join(await emptyFolder(), "data");
  const ledger = await openLedger({ folder });
  const store = new ApprovalStore(folder);
  for (const session of ["ses_0", "ses_1"]) {
    const argsText = `{"to":"whom ${session} names"}`;
    await ledger.append({
      kind: "intent",
      session,
      call: `call_${session}`,
      agent: "ann",
      payloads: { args: argsText },
    });
    store.request(
      { agent: "ann", user: undefined, tool: "mail__send", args: digestOf(session), policies: "p" },
      { session, call: "call_9", argsText, reason: "a person looks", ttl: 600_000 },
    );
  }
  store.close();
  await ledger.close();
  return folder;
}

/** The files of a folder that hold a text. */
function filesWith(folder: string, text: string): string[] {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => entry.name).filter((name) => readFileSync(join(folder, name)).includes(text));
}

/** Another program that is in the midst of reading a table of a file. */
function reading(file: string, table: string): { end(): void } {
  const db = new Database(file, { readonly: true });
  onTestFinished(() => void db.close());
  db.exec("BEGIN");
  db.prepare(`SELECT count(*) FROM ${table}`).get();
  return { end: () => void db.exec("COMMIT") };
}

test("shredding takes the session's arguments out of the approvals, or says that a reader keeps them there", async () => {
  const data = await filled();
  const reader = reading(join(data, "approvals.db"), "approvals");
  const busy = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
  expect(busy).toEqual({
    code: 1,
    out: "",
    err: expect.stringContaining("run it again once no other program reads them"),
  });
  reader.end();
  expect((await callgate("ledger", "shred", "--session", "ses_0", "--data", data)).code).toBe(0);
  expect([filesWith(data, "whom ses_0"), filesWith(data, digestOf("ses_0"))]).toEqual([[], []]);
  expect(filesWith(data, "whom ses_1")).toEqual(["approvals.db"]);
  const shown = JSON.parse((await callgate("approvals", "list", "--all", "--json", "--data", data)).out) as Record<
    string,
    unknown
  >[];
  expect(Object.fromEntries(shown.map(({ session, status }) => [session, status]))).toEqual({
    ses_0: "expired",
    ses_1: "pending",
  });
});

test("shredding beside a reader of the index fails once the key is gone, and is done when it is run again", async () => {
  const data = await filled();
  expect((await callgate("ledger", "index", "--data", data)).code).toBe(0);
  const reader = reading(join(data, "search.db"), "entry");
  const busy = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
  expect([busy.code, busy.err]).toEqual([1, expect.stringContaining("once no other program reads the index")]);
  expect((await callgate("ledger", "show", "2", "--data", data)).out).toContain("(shredded)");
  reader.end();
  const again = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
  expect([again.code, again.out]).toEqual([0, expect.stringContaining("there was no key")]);
  expect(filesWith(data, "ses_0 names")).toEqual([]);
});

test("a session whose records were all archived is shredded by its key, once", async () => {
  const data = await filled();
  const to = join(data, "..", "archive");
  expect((await callgate("ledger", "seal", "--data", data)).code).toBe(0);
  expect((await callgate("ledger", "archive", "--before", "1000", "--to", to, "--data", data)).code).toBe(0);
  const ran = await callgate("ledger", "shred", "--session", "ses_0", "--data", data);
  expect([ran.code, ran.out]).toEqual([0, expect.stringContaining("the key of `ses_0` is gone")]);
  const unknown = await callgate("ledger", "shred", "--session", "ses_9", "--data", data);
  expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining("there is no record of the session")]);
});

test("approvals are readable for their owner alone, also those that were made otherwise", async () => {
  const data = await filled();
  const file = join(data, "approvals.db");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  chmodSync(file, 0o644);
  new ApprovalStore(data).close();
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
