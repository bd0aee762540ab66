import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { type Keep, openLedger, openReader } from "../src/index.ts";
import { PayloadKeyReader, PayloadKeys } from "../src/payload-keys.ts";
import { dataFolder } from "./folder.ts";

test("the sessions of one commit all have their keys, however many others came before", () => {
  const folder = dataFolder();
  mkdirSync(folder);
  const keys = PayloadKeys.open(folder, "off", { log: "log_1", begun: false, shredded: [] });
  const before = Array.from({ length: 9_999 }, (_, i) => `ses_${i}`);
  keys.provide(before);
  const first = keys.key("ses_9998");
  keys.provide(["ses_9998", "ses_10000", "ses_10001"]);
  expect(keys.key("ses_9998").equals(first)).toBe(true);
  expect(keys.key("ses_10001").equals(first)).toBe(false);
  keys.provide(["ses_0"]);
  expect(() => keys.key("ses_0")).not.toThrow();
  keys.close();
});

/** Writes records of three sessions one after another, the second of which goes on, until a ledger keeps none of the first ten. */
async function kept(folder: string, keep: Keep): Promise<void> {
  const ledger = await openLedger({ folder, sync: "off", segment: 10, keep });
  const append = async (session: string): Promise<void> => {
    await ledger.append({ kind: "denial", session, agent: "ann", payloads: { args: "1" } });
  };
  for (let i = 0; i < 5; i++) await append("ses_gone");
  await append("ses_goes_on");
  for (let i = 0; i < 30; i++) await append("ses_later");
  await append("ses_goes_on");
  await vi.waitFor(() => {
    const reader = openReader(folder);
    const oldest = reader.oldest();
    reader.close();
    expect(oldest).toBeGreaterThan(10);
  }, 5000);
  await ledger.close();
}

function hasKeys(folder: string): boolean[] {
  const keys = new PayloadKeyReader(folder);
  const has = ["ses_gone", "ses_goes_on", "ses_later"].map((session) => keys.key(session) !== undefined);
  keys.close();
  return has;
}

test("a session's key goes with its last record where that is deleted", async () => {
  const folder = dataFolder();
  await kept(folder, { records: 8 });
  expect(hasKeys(folder)).toEqual([false, true, true]);
});

test("a session's key stays where its records were archived, also when later ones are deleted", async () => {
  const folder = dataFolder();
  await kept(folder, { records: 8, to: join(dirname(folder), "archive") });
  expect(hasKeys(folder)).toEqual([true, true, true]);
  const keys = PayloadKeys.open(folder, "off", { log: openReader(folder).log, begun: true, shredded: [] });
  keys.drop(new Set(["ses_gone"]));
  keys.close();
  expect(hasKeys(folder)).toEqual([true, true, true]);
});
