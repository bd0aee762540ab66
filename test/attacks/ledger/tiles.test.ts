import { cpSync } from "node:fs";
import { join } from "node:path";
import { openLedger } from "@callgate/ledger";
import { verifyLedger } from "@callgate/verify";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Folder, makeFolder } from "../../support/folder.ts";
import { attack, resigned, sql } from "./attacker.ts";

/** Records of one tile of level 1, and a few more. */
const RECORDS = 256 * 256 + 300;

let folder: Folder;
let now: string;
let anchor: string;

beforeAll(async () => {
  folder = makeFolder("ledger-tiles");
  [now, anchor] = [join(folder.path, "now"), join(folder.path, "anchor.jsonl")];
  const ledger = await openLedger({ folder: now, sync: "off", anchors: [{ to: `file:${anchor}` }] });
  // The boot record is one of them.
  for (let done = 1; done < RECORDS; done += 256)
    await Promise.all(
      Array.from({ length: Math.min(256, RECORDS - done) }, () => ledger.append({ kind: "denial", agent: "bot" })),
    );
  await ledger.close();
});
afterAll(() => folder.remove());

/** What an attacked copy comes to: exit code, what is wrong first, and where. */
async function attacked(change: Parameters<typeof attack>[1]): Promise<{ alone: string; anchored(): Promise<string> }> {
  const ledger = join(folder.path, "copy");
  cpSync(now, ledger, { recursive: true, force: true });
  attack(ledger, change);
  const inShort = async (anchors: string[]): Promise<string> => {
    const { exitCode, first } = await verifyLedger({ ledger, anchors, skipIndexes: true });
    return `${exitCode} ${first?.code ?? ""} ${first?.seq ?? ""}`.trim();
  };
  return { alone: await inShort([]), anchored: () => inShort([`file:${anchor}`]) };
}

test("a ledger with tiles is clean, on any number of threads", async () => {
  for (const threads of [1, 2]) {
    const report = await verifyLedger({ ledger: now, anchors: [`file:${anchor}`], threads });
    expect(report).toMatchObject({ verdict: "clean", completeTo: RECORDS, threads, findings: [] });
    expect(report.counts).toMatchObject({ records: RECORDS, tiles: 1 });
  }
});

test("a tile is edited", async () => {
  // The third hash in it stands for the records 513 to 768.
  const edit = "UPDATE tile SET data = CAST(substr(data, 1, 64) || zeroblob(32) || substr(data, 97) AS BLOB)";
  expect((await attacked(sql(edit))).alone).toBe("1 tile 513");
});

test("a tile is deleted", async () => {
  expect((await attacked(sql("DELETE FROM tile"))).alone).toBe("1 tile 1");
});

// The newest checkpoint that is left is of a few records less.
const CUT = `DELETE FROM checkpoint WHERE size > 65000; DELETE FROM record WHERE seq > (SELECT max(size) FROM checkpoint)`;

test("the end is cut off, with its checkpoints and its tile", async () => {
  const { alone, anchored } = await attacked(sql(`${CUT}; DELETE FROM tile`));
  expect(alone).toBe("0");
  expect(await anchored()).toMatch(/^2 anchor-short 6\d{4}$/);
});

test("the end is cut off, but for its tile", async () => {
  expect((await attacked(sql(CUT))).alone).toBe("1 tile");
});

test("all is rewritten with the key, tiles and all", async () => {
  const edit = `UPDATE record SET leaf = replace(leaf, '"bot"', '"cat"'), agent = 'cat' WHERE seq = 60000`;
  const { alone, anchored } = await attacked(resigned(edit));
  expect(alone).toBe("0");
  expect(await anchored()).toMatch(/^1 anchor-root \d+$/);
});
