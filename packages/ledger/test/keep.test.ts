import { copyFileSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RecordDraft } from "@callgate/core";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { archiveSegments, type Ledger, openLedger, openReader, sealLedger, shredSession } from "../src/index.ts";
import { leafHash } from "../src/merkle.ts";
import { checkConsistency, checkInclusion } from "../src/proof.ts";
import { dataFolder } from "./folder.ts";
import { tamper } from "./tamper.ts";

const SECRET = "the launch code is 4711-ALPHA";
const call = (session: string, i: number): RecordDraft => ({
  kind: "intent",
  session,
  call: `${session}-${i}`,
  payloads: { args: JSON.stringify({ i, text: SECRET }), facts: JSON.stringify({ i }) },
});

async function filled(records: number, ...sessions: readonly string[]): Promise<string> {
  const folder = dataFolder();
  const ledger = await openLedger({ folder });
  await append(ledger, records, ...sessions);
  await ledger.close();
  return folder;
}

async function append(ledger: Ledger, records: number, ...sessions: readonly string[]): Promise<void> {
  const drafts = Array.from({ length: records }, (_, i) => call(sessions[i % sessions.length] as string, i));
  await Promise.all(drafts.map((draft) => ledger.append(draft)));
}

/** All bytes of a folder's files. */
function bytesOf(folder: string): Buffer {
  return Buffer.concat(readdirSync(folder).map((name) => readFileSync(join(folder, name))));
}

function keysIn(folder: string): Map<string, Buffer> {
  const db = new Database(join(folder, "payload-keys.db"), { readonly: true });
  const rows = db.prepare("SELECT session, key FROM key").raw().all() as [string, Buffer][];
  db.close();
  return new Map(rows);
}

/** Every record in turn is in the newest tree, and that goes on from every other. */
function expectProofs(folder: string): void {
  const reader = openReader(folder);
  const { seq: size } = reader.query({ limit: 1 })[0] as { seq: number };
  const root = reader.prove(size).root;
  for (let seq = 1; seq <= size; seq += 37) {
    const shown = reader.show(seq);
    const proof = reader.prove(seq);
    expect(proof).toMatchObject({ index: seq - 1, size, root });
    if (shown) expect(checkInclusion(leafHash(shown.leaf), seq - 1, size, proof.hashes, root)).toBe(true);
    const old = { size: seq, root: reader.prove(1, seq).root };
    expect(checkConsistency(old, { size, root }, reader.proveConsistency(seq).hashes)).toBe(true);
  }
  expect(reader.checkpoint()?.note.split("\n").slice(1, 3)).toEqual([String(size), root.toString("base64")]);
  expect(reader.verify().findings).toEqual([]);
  reader.close();
}

describe("payloads", () => {
  it("are nowhere in the clear, under a key for each session that stands in a file of its own", async () => {
    const folder = await filled(40, "ses_a", "ses_b");
    expect(bytesOf(folder).includes(SECRET)).toBe(false);
    expect([...keysIn(folder).keys()].toSorted((a, b) => a.localeCompare(b))).toEqual(["ses_a", "ses_b"]);
    const reader = openReader(folder);
    expect(reader.show(2)).toMatchObject({
      payloads: { args: expect.stringContaining(SECRET), facts: '{"i":0}' },
      shredded: [],
    });
    reader.close();
  });

  it("of two records with the same arguments have nothing in common", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder });
    const draft: RecordDraft = { kind: "intent", session: "s", payloads: { args: "{}" } };
    await Promise.all([ledger.append(draft), ledger.append(draft)]);
    await ledger.close();
    const reader = openReader(folder);
    expect(reader.show(2)?.record.args).not.toBe(reader.show(3)?.record.args);
    reader.close();
  });

  it("cannot be put in another record's place", async () => {
    const folder = await filled(4, "ses_a");
    tamper(folder, (db) => {
      db.exec(
        "UPDATE payload SET data = (SELECT data FROM payload WHERE seq = 2 AND name = 'args') WHERE seq = 3 AND name = 'args'",
      );
    });
    const reader = openReader(folder);
    expect(reader.show(3)).toMatchObject({ payloads: { facts: '{"i":1}' }, shredded: ["args"] });
    expect(reader.verify().findings).toEqual([{ seq: 3, problem: "the payload `args` does not match its digest" }]);
    reader.close();
  });
});

describe("shred", () => {
  it("makes a session's payloads unreadable, leaves no trace of their key, and proves as before", async () => {
    const folder = await filled(400, "ses_a", "ses_b");
    const before = openReader(folder);
    const kept = before.checkpoint() as { size: number; note: string };
    const key = keysIn(folder).get("ses_a") as Buffer;
    expect(bytesOf(folder).includes(key)).toBe(true);

    const { hadKey, seq } = await shredSession({ folder }, "ses_a");
    expect(hadKey).toBe(true);
    expect(bytesOf(folder).includes(key)).toBe(false);
    const reader = openReader(folder);
    expect(reader.show(2)).toMatchObject({ payloads: {}, shredded: ["args", "facts"] });
    expect(reader.show(3)).toMatchObject({ payloads: { args: expect.stringContaining(SECRET) }, shredded: [] });
    expect(reader.show(seq)?.record).toMatchObject({ kind: "config", detail: { shredded: "ses_a" } });
    expect(reader.prove(1, kept.size).root.toString("base64")).toBe(kept.note.split("\n")[2]);
    reader.close();
    before.close();
    expectProofs(folder);
  });

  it("holds for what comes later of the session", async () => {
    const folder = await filled(2, "ses_a");
    await shredSession({ folder }, "ses_a");
    const ledger = await openLedger({ folder });
    const seq = await ledger.append(call("ses_a", 9));
    await ledger.close();
    expect(keysIn(folder).has("ses_a")).toBe(false);
    const reader = openReader(folder);
    expect(reader.show(seq)).toMatchObject({
      record: { args: expect.stringMatching(/^hmac-/) },
      payloads: {},
      shredded: [],
    });
    expect(reader.verify().ok).toBe(true);
    reader.close();
    expect(await shredSession({ folder }, "ses_a")).toMatchObject({ hadKey: false });
  });

  it("is refused while a broker holds the ledger, and for a session that nobody knows", async () => {
    const folder = await filled(2, "ses_a");
    await expect(shredSession({ folder }, "ses_x")).rejects.toMatchObject({ code: "LEDGER_NO_SESSION" });
    const ledger = await openLedger({ folder });
    await expect(shredSession({ folder }, "ses_a")).rejects.toMatchObject({ code: "LEDGER_LOCKED" });
    await ledger.close();
    await expect(shredSession({ folder: dataFolder() }, "ses_a")).rejects.toMatchObject({ code: "LEDGER_NOT_FOUND" });
  });
});

describe("seal", () => {
  it("closes one segment after another, each with the root at its end", async () => {
    const folder = await filled(99, "s");
    const first = await sealLedger({ folder });
    const second = await sealLedger({ folder });
    const reader = openReader(folder);
    const root = (size: number) => reader.prove(1, size).root.toString("base64");
    expect(reader.query({ kind: ["seal"], order: "asc" })).toMatchObject([
      // Opening for the seal appends an unknown outcome for each of the 99 intents, and a boot record.
      { seq: first, detail: { segment: 1, from: 1, to: 200, size: 200, root: root(200) } },
      { seq: second, detail: { segment: 2, from: 201, to: 202, size: 202, root: root(202) } },
    ]);
    reader.close();
  });

  it("happens by itself where a segment's size is given", async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder, segment: 100 });
    for (let round = 0; round < 30; round++) await append(ledger, 10, "s");
    await ledger.close();
    const reader = openReader(folder);
    const seals = reader.query({ kind: ["seal"], order: "asc" }).map((r) => r.detail as { from: number; to: number });
    expect(seals.length).toBeGreaterThanOrEqual(2);
    expect(seals.slice(1).every((seal, i) => seal.from === (seals[i]?.to ?? 0) + 1)).toBe(true);
    expect(reader.verify().ok).toBe(true);
    reader.close();
  });
});

describe("archive", () => {
  it("moves sealed segments out, after which everything that remains proves, and what comes after", async () => {
    const folder = await filled(299, "s");
    const to = join(folder, "..", "archive");
    await expect(archiveSegments({ folder }, { before: 10_000, to })).rejects.toMatchObject({
      code: "LEDGER_NOT_SEALED",
    });
    for (let segment = 1; segment <= 2; segment++) {
      await sealLedger({ folder });
      const ledger = await openLedger({ folder });
      await append(ledger, 50, "s");
      await ledger.close();
    }
    const reader = openReader(folder);
    const seals = reader.query({ kind: ["seal"], order: "asc" }).map((r) => r.detail as { to: number });
    const leaf = reader.show(7)?.leaf;
    reader.close();
    const [first, second] = seals.map((seal) => seal.to) as [number, number];

    // One at a time: the second begins within a tile.
    expect(first % 256).not.toBe(0);
    expect(await archiveSegments({ folder }, { before: first + 1, to })).toMatchObject([{ from: 1, to: first }]);
    expectProofs(folder);
    const files = await archiveSegments({ folder }, { before: 10_000, to });
    expect(files).toMatchObject([{ from: first + 1, to: second }]);
    expectProofs(folder);

    const after = openReader(folder);
    expect(after.query({ order: "asc", limit: 1 })[0]?.seq).toBe(second + 1);
    expect(after.query({ kind: ["config"] })[0]?.detail).toEqual({
      archived: { from: first + 1, to: second, file: files[0]?.file },
    });
    const db = new Database(join(to, readdirSync(to).toSorted((a, b) => a.localeCompare(b))[0] as string), {
      readonly: true,
    });
    expect(db.prepare("SELECT leaf FROM record WHERE seq = 7").pluck().get()).toBe(leaf);
    expect(db.prepare("SELECT count(*) FROM payload").pluck().get()).toBe(2 * 299);
    db.close();
    const kept = checkInclusion(
      leafHash(leaf as string),
      6,
      after.prove(1).size,
      after.prove(7).hashes,
      after.prove(1).root,
    );
    expect(kept).toBe(true);
    after.close();
    const ledger = await openLedger({ folder });
    await append(ledger, 300, "s");
    await ledger.close();
    expectProofs(folder);
  });
});

describe("a large ledger", () => {
  it("starts from its tiles, and proves over them", { timeout: 60_000 }, async () => {
    const folder = dataFolder();
    const ledger = await openLedger({ folder, sync: "off" });
    await Promise.all(Array.from({ length: 66_000 }, () => ledger.append({ kind: "denial" })));
    await ledger.close();
    const again = await openLedger({ folder, sync: "off" });
    await again.close();
    const reader = openReader(folder);
    const root = reader.prove(1).root;
    for (const seq of [1, 256, 257, 65_536, 65_537, 66_001]) {
      const { hashes, size } = reader.prove(seq);
      expect(checkInclusion(leafHash(reader.show(seq)?.leaf as string), seq - 1, size, hashes, root)).toBe(true);
    }
    expect(reader.checkpoint()?.note.split("\n")[2]).toBe(root.toString("base64"));
    reader.close();
    // The tree is rebuilt from the tile: where that was changed the newest checkpoint does not fit.
    tamper(folder, (db) => {
      db.exec("UPDATE tile SET data = zeroblob(8192) WHERE level = 1");
    });
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_CORRUPT" });
  });
});

describe("keys", () => {
  it("of a log are for their owner alone, and are not made anew where they or the log are missing", async () => {
    const folder = await filled(1, "s");
    const key = join(folder, "ledger-key.json");
    for (const name of ["ledger-key.json", "payload-keys.db", "ledger.db"])
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    const vkey = readFileSync(join(folder, "ledger.vkey"), "utf8");
    expect(vkey).toMatch(/^callgate\/log_\w+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+\n$/);
    copyFileSync(key, `${key}.bak`);
    rmSync(key);
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_KEY_MISSING" });
    copyFileSync(`${key}.bak`, key);
    for (const end of ["", "-wal", "-shm"]) rmSync(join(folder, `ledger.db${end}`), { force: true });
    await expect(openLedger({ folder })).rejects.toMatchObject({ code: "LEDGER_MISSING" });
  });
});
