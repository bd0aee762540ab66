import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openLedger, openWitness } from "@callgate/ledger";
import { verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFolder } from "../../support/folder.ts";
import { attack, type Change, resigned, sql } from "./attacker.ts";
import { work } from "./stage.ts";

// What a witness signed is kept beside the ledger: it tells of changes when the witness itself cannot be asked.

const folder = makeFolder("cosigned");
const data = join(folder.path, "data");
let witnessKey: string;
let copies = 0;

beforeAll(async () => {
  await (await openLedger({ folder: data, sync: "off" })).close();
  const witness = await openWitness({
    file: join(folder.path, "witness.json"),
    vkeys: [readFileSync(join(data, "ledger.vkey"), "utf8")],
    port: 0,
  });
  witnessKey = witness.vkey;
  const anchors = [{ to: witness.url, vkey: witness.vkey }];
  const ledger = await openLedger({ folder: data, sync: "off", anchors });
  await work(ledger, 5, "signed");
  await ledger.close();
  await witness.close();
  const later = await openLedger({ folder: data, sync: "off" });
  await work(later, 2, "later");
  await later.close();
});
afterAll(() => folder.remove());

const check = (ledger: string, witnessKeys: readonly string[] = [witnessKey]) => verifyLedger({ ledger, witnessKeys });

function changed(change: Change): string {
  const copy = join(folder.path, `copy-${++copies}`);
  cpSync(data, copy, { recursive: true });
  attack(copy, change);
  return copy;
}

/** A copy in which a text of the kept signatures is another. */
function altered(change: (text: string) => string): string {
  const copy = changed(() => {});
  const path = join(copy, "cosignatures.jsonl");
  writeFileSync(path, change(readFileSync(path, "utf8")));
  return copy;
}

test("is checked with the witness's key, and said not to be without", async () => {
  expect(await check(data)).toMatchObject({
    verdict: "clean",
    completeness: "unknown",
    cosigned: [{ size: 12, agrees: true, by: "callgate-witness", at: expect.stringMatching(/^20\d\d-/) }],
  });
  expect(await check(data, [])).toMatchObject({
    verdict: "clean",
    cosigned: [{ size: 12, agrees: true }],
    unchecked: expect.arrayContaining([expect.stringContaining("--witness-vkey")]),
  });
});

const cut = (seq: number): string =>
  ["record", "payload"].map((table) => `DELETE FROM ${table} WHERE seq > ${seq}`).join(";") +
  `; DELETE FROM checkpoint WHERE size > ${seq}`;

test.each<[string, () => string, string, string]>([
  [
    "a record that was signed for is another, and all is signed anew",
    () =>
      changed(
        resigned(
          `UPDATE record SET leaf = replace(leaf, '"agent":"' || agent || '"', '"agent":"nobody"'), agent = 'nobody' WHERE seq = 5`,
        ),
      ),
    "tampered",
    "cosigned-root",
  ],
  ["the end is gone, with records that were signed for", () => changed(sql(cut(8))), "incomplete", "cosigned-short"],
])("it is found that %s", async (_, copy, verdict, code) => {
  const report = await check(copy());
  expect(report.findings.map((finding) => finding.code)).toContain(code);
  expect(report.verdict).toBe(verdict);
});

// Anybody can write to the file: what is wrong in it says nothing of the ledger, and stands for nothing.
test.each<[string, string, (text: string) => string]>([
  ["the witness", "the witness's is another's", (text) => text.replace(/(callgate-witness \S{30})..../, "$1AAAA")],
  ["the log", "the log's is taken away", (text) => text.replace(/\\n— callgate\/log_[^\\]*\\n/, "\\n")],
  [
    "the log",
    "a line of the witness passes for the log's",
    (text) =>
      text.replace(/— (callgate\/log_\S+) (\S+)\\n/, (line, name, base64) => {
        const id = Buffer.from(base64, "base64").subarray(0, 4);
        return `${line}— ${name} ${Buffer.concat([id, Buffer.alloc(64, 7)]).toString("base64")}\\n`;
      }),
  ],
])("a signature beside the ledger that is not that of %s is not checked: %s", async (whose, _, change) => {
  const report = await check(altered(change));
  expect(report).toMatchObject({ verdict: "clean", findings: [], cosigned: [{ size: 12, agrees: false }] });
  expect(report.unchecked.join("\n")).toContain(`not that of ${whose}`);
});
