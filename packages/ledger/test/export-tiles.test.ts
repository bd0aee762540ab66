import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { entryBundle, tilePath } from "../src/export/tiles.ts";
import { type LedgerReader, openLedger, openReader, openTree, proofText, writeTiles } from "../src/index.ts";
import { dataFolder } from "./folder.ts";

/** A ledger of `n` records, its start among them. */
async function ledgerOf(n: number, folder: string = dataFolder()): Promise<string> {
  const ledger = await openLedger({ folder, sync: "off" });
  const seq = await ledger.append({ kind: "config", detail: { text: "é" } });
  for (let i = seq + 1; i <= n; i++) ledger.appendLater({ kind: "intent", agent: "bot" });
  await ledger.close();
  return folder;
}

/** RFC 6962, as it stands there: the root over leaves, by recursion. Shares nothing with the code under test. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0]!;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Buffer.of(1), rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

function sha256(...parts: readonly Uint8Array[]): Buffer {
  const sum = createHash("sha256");
  for (const part of parts) sum.update(part);
  return sum.digest();
}

function filesIn(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "base64")]));
}

/** The leaves of a directory, read from its bundles alone as a client that has just its files would. */
function leavesIn(folder: string, size: number): Buffer[] {
  const leaves: Buffer[] = [];
  for (let index = 0; index * 256 < size; index++) {
    const data = readFileSync(join(folder, tilePath("entries", index, Math.min(256, size - index * 256))));
    for (let at = 0; at < data.length; ) {
      const length = data.readUInt16BE(at);
      leaves.push(data.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
  }
  return leaves;
}

describe("a tlog-tiles directory", () => {
  it("names tiles as the specification does", () => {
    expect(tilePath(0, 1_234_067, 256)).toBe("tile/0/x001/x234/067");
    expect(tilePath("entries", 0, 256)).toBe("tile/entries/000");
    expect(tilePath(2, 999, 1)).toBe("tile/2/999.p/1");
    expect(tilePath(1, 1000, 17)).toBe("tile/1/x001/000.p/17");
    expect(entryBundle(["ab", "é"]).toString("hex")).toBe("00026162" + "0002c3a9");
    expect(() => entryBundle(["x".repeat(65_536)])).toThrow(expect.objectContaining({ code: "LEDGER_CORRUPT" }));
  });

  it.each([2, 255, 256, 257, 600])(
    "of %i records has what its checkpoint's root is made of, and nothing else",
    async (n) => {
      const folder = await ledgerOf(n);
      const out = join(folder, "tiles");
      const tree = openTree(folder);
      writeTiles(out, tree, 0);
      tree.close();
      const [origin, size, root] = readFileSync(join(out, "checkpoint"), "utf8").split("\n");
      expect(origin).toMatch(/^callgate\/log_/);
      expect(Number(size)).toBe(n);
      const hashes = leavesIn(out, n).map((leaf) => sha256(Buffer.of(0), leaf));
      expect(hashes).toHaveLength(n);
      expect(rootOf(hashes).toString("base64")).toBe(root);

      const tiles = [...filesIn(out).keys()].filter((path) => /^tile\/\d/.test(path)).sort();
      const expected: string[] = [];
      for (let level = 0, width = n; width > 0; level++, width = Math.floor(width / 256))
        for (let index = 0; index * 256 < width; index++) {
          const wide = Math.min(256, width - index * 256);
          const path = tilePath(level, index, wide);
          expected.push(path);
          const span = 256 ** level;
          const data = Array.from({ length: wide }, (_, i) => {
            const from = (index * 256 + i) * span;
            return rootOf(hashes.slice(from, from + span));
          });
          expect(readFileSync(join(out, path))).toEqual(Buffer.concat(data));
        }
      expect(tiles).toEqual(expected.sort());
    },
  );

  it("that grows has the same files in the end as one that is written at once", async () => {
    const folder = await ledgerOf(3);
    const [grown, whole] = [join(folder, "grown"), join(folder, "whole")];
    let before = 0;
    for (const n of [3, 255, 256, 300, 513]) {
      await ledgerOf(n, folder);
      const tree = openTree(folder);
      writeTiles(grown, tree, before);
      before = tree.checkpoint.size;
      tree.close();
    }
    const tree = openTree(folder);
    writeTiles(whole, tree, 0);
    tree.close();
    const [a, b] = [filesIn(grown), filesIn(whole)];
    // Partial tiles of earlier checkpoints may stay until the tile is full.
    for (const path of a.keys()) if (!b.has(path)) expect(path).toMatch(/^tile\/1\/000\.p\/1$/);
    for (const [path, data] of b) expect([path, a.get(path)]).toEqual([path, data]);
    expect(existsSync(join(grown, "tile", "0", "000.p"))).toBe(false);
  });

  it("of another log, or of a longer one, is left alone", async () => {
    const [one, other] = [await ledgerOf(5), await ledgerOf(4)];
    const out = join(one, "tiles");
    const [longer, foreign] = [openTree(one), openTree(other)];
    writeTiles(out, longer, 0);
    const before = filesIn(out);
    expect(() => writeTiles(out, foreign, 0)).toThrow(expect.objectContaining({ code: "EXPORT_TARGET" }));
    const checkpoint = join(out, "checkpoint");
    const signed = readFileSync(checkpoint, "utf8");
    writeFileSync(checkpoint, signed.replace("\n5\n", "\n6\n"));
    expect(() => writeTiles(out, longer, 0)).toThrow("has 6 records, and the ledger has 5");
    writeFileSync(checkpoint, signed);
    expect(filesIn(out)).toEqual(before);
    longer.close();
    foreign.close();
  });

  it("goes on without the entries of records that were archived, and with their hashes", async () => {
    const folder = await ledgerOf(600);
    const [before, after] = [join(folder, "before"), join(folder, "after")];
    const tree = openTree(folder);
    expect(writeTiles(before, tree, 0).missing).toBe(0);
    tree.close();
    archive(join(folder, "ledger.db"), 300);
    const rest = openTree(folder);
    expect(writeTiles(after, rest, 0).missing).toBe(2);
    rest.close();
    const [a, b] = [filesIn(before), filesIn(after)];
    const lost = [...a.keys()].filter((path) => !b.has(path));
    expect(lost).toEqual(["tile/entries/000", "tile/entries/001"]);
    for (const [path, data] of b) expect([path, a.get(path)]).toEqual([path, data]);
  });
});

/** Takes the first records out of a ledger as archiving leaves it: their hashes stay as tiles of level 0. */
function archive(path: string, last: number): void {
  const db = new Database(path);
  const triggers = db.prepare<[], { name: string }>("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all();
  for (const { name } of triggers) db.exec(`DROP TRIGGER "${name}"`);
  const hashes = db.prepare<[number, number], Buffer>("SELECT hash FROM record WHERE seq > ? AND seq <= ?").pluck();
  for (let index = 0; index * 256 < last; index++)
    db.prepare("INSERT INTO tile (level, idx, data) VALUES (0, ?, ?)").run(
      index,
      Buffer.concat(hashes.all(index * 256, Math.min(last, (index + 1) * 256))),
    );
  db.prepare("DELETE FROM record WHERE seq <= ?").run(last);
  db.close();
}

describe("a tlog-proof", () => {
  const folder = mkdtempSync(join(tmpdir(), "callgate-proof-"));
  let reader: LedgerReader;
  beforeAll(async () => {
    reader = openReader(await ledgerOf(300, folder));
  });
  afterAll(() => {
    reader.close();
    rmSync(folder, { recursive: true });
  });

  it.each([1, 2, 256, 299, 300])("of record %i of 300 leads from its leaf to the checkpoint's root", async (seq) => {
    const { size, note } = reader.checkpoint()!;
    const text = proofText(reader.show(seq)!.leaf, reader.prove(seq, size), note);
    const [head, signed] = [text.slice(0, text.indexOf("\n\n")), text.slice(text.indexOf("\n\n") + 2)];
    const [version, extra, index, ...path] = head.split("\n");
    expect([version, index]).toEqual(["c2sp.org/tlog-proof@v1", `index ${seq - 1}`]);
    const leaf = Buffer.from(extra!.replace("extra ", ""), "base64");
    expect(JSON.parse(leaf.toString())).toMatchObject({ seq });
    // RFC 9162, 2.1.3.2.
    let [fn, sn] = [seq - 1, 299];
    let hash = sha256(Buffer.of(0), leaf);
    for (const step of path.map((line) => Buffer.from(line, "base64"))) {
      expect(sn).toBeGreaterThan(0);
      if (fn % 2 === 1 || fn === sn) {
        hash = sha256(Buffer.of(1), step, hash);
        while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1];
      } else hash = sha256(Buffer.of(1), hash, step);
      [fn, sn] = [fn >> 1, sn >> 1];
    }
    expect(sn).toBe(0);
    expect(signed.split("\n").slice(1, 3)).toEqual(["300", hash.toString("base64")]);
    expect(signed).toBe(note);
  });
});
