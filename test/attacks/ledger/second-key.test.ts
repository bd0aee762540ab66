import { cpSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { openLedger, openReader } from "@callgate/ledger";
import { verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFolder } from "../../support/folder.ts";
import { attack, type Change, resigned, sql } from "./attacker.ts";
import { work } from "./stage.ts";

// A log whose checkpoints have a second signature, of ML-DSA-44, from its second run on. Whoever can forge the first one, as a
// quantum computer could, has not the other.

const folder = makeFolder("second-key");
const data = join(folder.path, "data");
const secondVkey = join(data, "ledger-ml-dsa-44.vkey");
const vkey = join(data, "ledger.vkey");
let copies = 0;

beforeAll(async () => {
  const first = await openLedger({ folder: data, sync: "off" });
  await work(first, 3, "first");
  await first.close();
  const second = await openLedger({ folder: data, sync: "off", signatures: ["ed25519", "ml-dsa-44"] });
  await work(second, 3, "second");
  await second.close();
});
afterAll(() => folder.remove());

function changed(change: Change): string {
  const copy = join(folder.path, `copy-${++copies}`);
  cpSync(data, copy, { recursive: true });
  attack(copy, change);
  return copy;
}

const given = (ledger: string) => verifyLedger({ ledger, vkey, secondVkey });

test("both signatures are checked, of those checkpoints that have two", async () => {
  const reader = openReader(data);
  const signatures = (size: number): number => (reader.checkpoint(size)?.note.match(/^— /gm) ?? []).length;
  expect([signatures(2), signatures(14)]).toEqual([1, 2]);
  reader.close();
  const report = await given(data);
  expect(report).toMatchObject({ verdict: "clean", secondKey: { from: "given" } });
  expect(readFileSync(secondVkey, "utf8")).toContain(`+${report.secondKey?.id}+`);
  expect(await verifyLedger({ ledger: data })).toMatchObject({
    verdict: "clean",
    secondKey: { from: "folder" },
    unchecked: expect.arrayContaining([expect.stringContaining("--ml-dsa-vkey")]),
  });
  expect(await verifyLedger({ ledger: data, secondVkey: vkey })).toMatchObject({ verdict: "unreadable" });
});

test.each<[string, Change]>([
  [
    "a signature is altered",
    sql(
      "UPDATE checkpoint SET note = substr(note, 1, length(note) - 200) || 'AAAA' || substr(note, -196) WHERE size = 12",
    ),
  ],
  [
    "the signature of another checkpoint stands in its place",
    sql(`UPDATE checkpoint SET note = substr(note, 1, instr(note, '— ') - 1) || (SELECT substr(note, instr(note, '— ')) FROM checkpoint WHERE size = 12)
      WHERE size = 13`),
  ],
  [
    "all is signed anew by somebody who has the first key only",
    resigned("UPDATE record SET agent = agent WHERE seq = 3"),
  ],
  [
    "the second signatures are taken away",
    (db, signer) => {
      resigned(
        "UPDATE record SET leaf = replace(leaf, 'agent-1', 'agent-2'), agent = replace(agent, 'agent-1', 'agent-2')",
      )(db, signer);
      db.exec("DELETE FROM meta WHERE key = 'vkey-ml-dsa-44'");
    },
  ],
])("it is found that %s", async (_, change) => {
  const report = await given(changed(change));
  expect(report).toMatchObject({ verdict: "tampered" });
  expect(report.findings.some(({ code }) => code === "checkpoint-signature" || code === "key")).toBe(true);
});

test("a second key that is named in a ledger that was never signed with one is found", async () => {
  const plain = join(folder.path, "plain");
  await (await openLedger({ folder: plain, sync: "off" })).close();
  attack(plain, (db) => {
    db.prepare("INSERT INTO meta (key, value) VALUES ('vkey-ml-dsa-44', ?)").run(
      readFileSync(secondVkey, "utf8").trim(),
    );
  });
  expect(await verifyLedger({ ledger: plain })).toMatchObject({ verdict: "tampered", first: { code: "key" } });
});

test("a start that fails before it signs anything names no second key", async () => {
  const plain = join(folder.path, "unsigned");
  await (await openLedger({ folder: plain, sync: "off" })).close();
  const anchors = [{ to: `file:${join(plain, "ledger.db", "no-folder")}`, required: true }];
  const both = { folder: plain, sync: "off", signatures: ["ed25519", "ml-dsa-44"] } as const;
  await expect(openLedger({ ...both, anchors })).rejects.toMatchObject({ code: "LEDGER_ANCHOR_UNREACHABLE" });
  const report = await verifyLedger({ ledger: plain });
  expect([report.verdict, report.secondKey]).toEqual(["clean", undefined]);
  await (await openLedger(both)).close();
  expect(await verifyLedger({ ledger: plain })).toMatchObject({ verdict: "clean", secondKey: { from: "folder" } });
  expect(existsSync(join(plain, "ledger-ml-dsa-44.vkey"))).toBe(true);
});

test("another's second key beside the ledger is found", async () => {
  const other = join(folder.path, "other");
  const ledger = await openLedger({ folder: other, sync: "off", signatures: ["ed25519", "ml-dsa-44"] });
  await ledger.close();
  expect(await verifyLedger({ ledger: data, secondVkey: join(other, "ledger-ml-dsa-44.vkey") })).toMatchObject({
    verdict: "tampered",
    findings: expect.arrayContaining([expect.objectContaining({ code: "key" })]),
  });
});

test("a ledger goes on without its second key only if it is not to sign with it", async () => {
  const copy = join(folder.path, "keyless");
  cpSync(data, copy, { recursive: true });
  const file = join(copy, "ledger-key-ml-dsa-44.json");
  renameSync(file, `${file}.away`);
  const both = { folder: copy, sync: "off", signatures: ["ed25519", "ml-dsa-44"] } as const;
  await expect(openLedger(both)).rejects.toMatchObject({ code: "LEDGER_KEY_MISSING" });
  expect(existsSync(file)).toBe(false);
  await expect(openLedger({ folder: copy, sync: "off" })).rejects.toMatchObject({ code: "LEDGER_KEY_MISSING" });
  await (await openLedger({ folder: copy, sync: "off", signatures: ["ed25519"] })).close();
  // The newest records have the first signature alone now: who relies on the second is told.
  expect(await given(copy)).toMatchObject({ verdict: "tampered", first: { code: "checkpoint-signature" } });
  expect(await verifyLedger({ ledger: copy })).toMatchObject({
    verdict: "clean",
    unchecked: expect.arrayContaining([expect.stringContaining("is not signed by the ML-DSA-44 key")]),
  });
  renameSync(`${file}.away`, file);
  await (await openLedger(both)).close();
  expect(await given(copy)).toMatchObject({ verdict: "clean" });
  rmSync(copy, { recursive: true });
});
