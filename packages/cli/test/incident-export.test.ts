import { execFile } from "node:child_process";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Evidence, openEvidence, openLedger } from "@callgate/ledger";
import { type BundleReport, verifyBundle } from "@callgate/verify";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";
import { incidentStory, PASSWORD, STRANGER } from "./story.ts";

const MAIN = join(import.meta.dirname, "..", "dist", "main.js");

let home: string;
let data: string;
let bundle: string;
let evidence: Evidence;

/** A bundle of the first session, with an anchor that had seen the ledger when it was shorter. */
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "callgate-bundle-"));
  data = join(home, "data");
  await incidentStory(data);
  const anchor = join(home, "anchor");
  const before = openEvidence(data);
  await writeFile(anchor, `${JSON.stringify({ v: 1, at: "2026-03-01T12:00:00Z", note: before.checkpoint.note })}\n`);
  before.close();
  const ledger = await openLedger({ folder: data, sync: "off" });
  await ledger.close();
  bundle = join(home, "bundle");
  const args = [
    "--session",
    "ses_1",
    "--out",
    bundle,
    "--anchor",
    `file:${anchor}`,
    "--config",
    "none.yaml",
    "--data",
    data,
  ];
  // Rejects for an exit code that is not 0.
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, "incident", "export", ...args]);
  expect(stdout).toContain("clean (callgate-bundle/1)\nthe ledger as a whole: clean");
  evidence = openEvidence(data);
}, 60_000);

afterAll(async () => {
  evidence?.close();
  await rm(home, { recursive: true });
});

function exported(...args: string[]): ReturnType<typeof callgate> {
  return callgate("incident", "export", ...args, "--config", "none.yaml", "--data", data);
}

test("a third party checks a bundle with the verifier and the log's key alone", async () => {
  expect((await readdir(bundle)).sort()).toEqual([
    "README.md",
    "anchors.jsonl",
    "checkpoint.note",
    "incident.json",
    "keys.json",
    "ledger.vkey",
    "manifest.note",
    "payloads.jsonl",
    "policies.json",
    "records.jsonl",
    "report.json",
  ]);
  const report = verifyBundle({ bundle, vkey: evidence.vkey });
  expect(report).toMatchObject({
    verdict: "clean",
    exitCode: 0,
    of: 'session "ses_1"',
    key: { from: "given" },
    // Two records for each of the calls that ran, one for the other, and the start of the broker.
    counts: { records: 8, payloads: 11, opened: 11, shredded: 0, withheld: 0, missing: 0 },
    anchors: [{ name: expect.stringMatching(/^file:/), covers: 12 }],
  });
  expect(report.head?.size).toBeGreaterThan(12);
  expect(report.unchecked).toEqual([expect.stringContaining("whether the ledger has more records of")]);
  expect(await readFile(join(bundle, "payloads.jsonl"), "utf8")).toContain(STRANGER);
  const program = join(import.meta.dirname, "..", "..", "verify", "bin", "callgate-verify.cjs");
  const { stdout } = await promisify(execFile)(process.execPath, [
    program,
    "--bundle",
    bundle,
    "--vkey",
    evidence.vkey,
  ]);
  expect(stdout).toMatch(/\nclean \(callgate-bundle\/1\)\n$/);
});

test("a call goes with the calls around it; payloads can stay at home", async () => {
  const out = join(home, "call");
  expect(await exported("--call", "call_3", "--no-payloads", "--out", out)).toMatchObject({ code: 0 });
  expect(verifyBundle({ bundle: out })).toMatchObject({
    verdict: "clean",
    of: 'call "call_3"',
    counts: { records: 5, withheld: 6, opened: 0 },
    unchecked: expect.arrayContaining([
      expect.stringContaining("whose key it is"),
      expect.stringContaining("it names no anchor"),
    ]),
  });
  for (const name of await readdir(out)) {
    const text = await readFile(join(out, name), "utf8");
    expect([name, text.includes(PASSWORD), text.includes(STRANGER)]).toEqual([name, false, false]);
  }
});

/** A copy of the bundle after an edit; signed anew with the ledger's own key if `resigned`. */
async function edited(edit: (file: Edit) => void | Promise<void>, resigned: boolean): Promise<BundleReport> {
  const copy = join(await emptyFolder(), "bundle");
  await cp(bundle, copy, { recursive: true });
  const change = async (name: string, by: (text: string) => string): Promise<void> => {
    const text = await readFile(join(copy, name), "utf8");
    const now = by(text);
    expect(now).not.toBe(text);
    await writeFile(join(copy, name), now);
  };
  await edit({ change, copy });
  if (resigned) {
    const note = await readFile(join(copy, "manifest.note"), "utf8");
    await writeFile(join(copy, "manifest.note"), evidence.signManifest(await listedAnew(copy, note)));
  }
  return verifyBundle({ bundle: copy, vkey: evidence.vkey });
}

interface Edit {
  readonly copy: string;
  readonly change: (name: string, by: (text: string) => string) => Promise<void>;
}

/** The text of the manifest with the digests of the files as they are. */
async function listedAnew(copy: string, note: string): Promise<string> {
  const body = note.slice(0, note.indexOf("\n\n") + 1);
  const names = [...body.matchAll(/^[0-9a-f]{64} {2}(.+)$/gm)].map(([, name]) => name as string);
  let text = body;
  for (const name of names) {
    const sha = createHash("sha256")
      .update(await readFile(join(copy, name)))
      .digest("hex");
    text = text.replace(new RegExp(`^[0-9a-f]{64} {2}${name.replaceAll(".", "\\.")}$`, "m"), `${sha}  ${name}`);
  }
  return text;
}

/** Changes line `n` of a file of JSON lines. */
function line(n: number, by: (value: Record<string, unknown>) => unknown): (text: string) => string {
  return (text) => {
    const lines = text.split("\n");
    lines[n] = JSON.stringify(by(JSON.parse(lines[n] as string)));
    return lines.join("\n");
  };
}

const without = (n: number) => (text: string) => text.split("\n").toSpliced(n, 1).join("\n");
const flipped = (text: string) =>
  text.replace(/^(.{40})(.)/s, (_, head: string, c: string) => head + (c === "A" ? "B" : "A"));

test("every file of a bundle is bound by its manifest", async () => {
  for (const name of await readdir(bundle)) {
    const report = await edited(({ change }) => change(name, flipped), false);
    expect([name, report.verdict, report.exitCode]).toEqual([name, "tampered", 1]);
  }
  expect(await edited(({ copy }) => rm(join(copy, "report.json")), false)).toMatchObject({
    verdict: "incomplete",
    exitCode: 2,
  });
  expect(await edited(({ copy }) => writeFile(join(copy, "more.txt"), ""), false)).toMatchObject({
    verdict: "tampered",
    findings: [{ code: "file-extra" }],
  });
  expect(await edited(({ copy }) => rm(join(copy, "manifest.note")), false)).toMatchObject({
    verdict: "unreadable",
    exitCode: 3,
  });
});

test.each<[string, string, (edit: Edit) => Promise<void>]>([
  [
    "a leaf",
    "inclusion",
    ({ change }) => change("records.jsonl", (text) => text.replace("no-deleting", "no-blocking")),
  ],
  [
    "a leaf's form",
    "leaf-form",
    ({ change }) =>
      change(
        "records.jsonl",
        line(1, (v) => ({ ...v, leaf: ` ${String(v["leaf"])}` })),
      ),
  ],
  [
    "a record's place",
    "inclusion",
    ({ change }) =>
      change(
        "records.jsonl",
        line(1, (v) => ({ ...v, seq: 3 })),
      ),
  ],
  [
    "a proof",
    "inclusion",
    ({ change }) =>
      change(
        "records.jsonl",
        line(1, (v) => ({ ...v, proof: [] })),
      ),
  ],
  ["a record that is dropped", "records", ({ change }) => change("records.jsonl", without(2))],
  [
    "a payload's text",
    "payload",
    ({ change }) => change("payloads.jsonl", (text) => text.replace(STRANGER, "bob@corp.example")),
  ],
  [
    "what is sealed",
    "payload",
    ({ change }) =>
      change(
        "payloads.jsonl",
        line(0, (v) => ({ ...v, sealed: "AAAA" })),
      ),
  ],
  ["a payload that is dropped", "payload-missing", ({ change }) => change("payloads.jsonl", without(0))],
  [
    "a payload said to be shredded",
    "payload",
    ({ change }) =>
      change(
        "payloads.jsonl",
        line(0, (v) => ({ ...v, state: "shredded" })),
      ),
  ],
  [
    "another record's payload",
    "payload",
    ({ change }) =>
      change(
        "payloads.jsonl",
        line(0, (v) => ({ ...v, seq: 4 })),
      ),
  ],
  [
    "the payloads' key",
    "payload",
    ({ change }) => change("keys.json", () => JSON.stringify({ ses_1: Buffer.alloc(32).toString("base64") })),
  ],
  [
    "the checkpoint's size",
    "checkpoint-signature",
    ({ change }) => change("checkpoint.note", (text) => text.replace(/\n\d+\n/, "\n9\n")),
  ],
  [
    "the anchor's checkpoint",
    "anchor-signature",
    ({ change }) => change("anchors.jsonl", (text) => text.replace("\\n12\\n", "\\n11\\n")),
  ],
  [
    "the anchor's proof",
    "anchor-root",
    ({ change }) =>
      change(
        "anchors.jsonl",
        line(0, (v) => ({ ...v, proof: [] })),
      ),
  ],
])("%s is found out, even if the bundle is signed anew with the ledger's key", async (_, code, edit) => {
  const report = await edited(edit, true);
  expect(report.findingCounts).not.toHaveProperty("file");
  expect(report.findings).toContainEqual(expect.objectContaining({ code }));
  expect(report.exitCode).toBeGreaterThan(0);
});

test("a bundle that somebody else signed is told by the key, which has to come from elsewhere", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const forge = async ({ copy, change }: Edit): Promise<void> => {
    const name = `callgate/${(await readFile(join(copy, "manifest.note"), "utf8")).match(/^log (.+)$/m)?.[1]}`;
    const bytes = Buffer.concat([
      Buffer.of(1),
      Buffer.from(publicKey.export({ format: "jwk" }).x as string, "base64url"),
    ]);
    const id = createHash("sha256").update(`${name}\n`).update(bytes).digest().subarray(0, 4);
    const signed = (text: string): string => {
      const line = Buffer.concat([id, sign(null, Buffer.from(text), privateKey)]).toString("base64");
      return `${text}\n— ${name} ${line}\n`;
    };
    const resign = (note: string): string => signed(note.slice(0, note.indexOf("\n\n") + 1));
    await change("ledger.vkey", () => `${name}+${id.toString("hex")}+${bytes.toString("base64")}\n`);
    await change("checkpoint.note", resign);
    await change(
      "anchors.jsonl",
      line(0, (v) => ({ ...v, note: resign(String(v["note"])) })),
    );
    const text = await listedAnew(copy, await readFile(join(copy, "manifest.note"), "utf8"));
    await change("manifest.note", () => signed(text));
    expect(verifyBundle({ bundle: copy })).toMatchObject({ verdict: "clean", key: { from: "bundle" } });
  };
  const report = await edited(forge, false);
  expect(report).toMatchObject({ verdict: "tampered", first: { code: "key" } });
});

test("where the key of the payloads is gone, the proofs are left; that no record says why is said of the ledger", async () => {
  const keys = new Database(join(data, "payload-keys.db"));
  expect(keys.prepare("DELETE FROM key WHERE session = 'ses_2'").run().changes).toBe(1);
  keys.close();
  const out = join(home, "shredded");
  const ran = await exported("--session", "ses_2", "--out", out);
  expect(ran).toMatchObject({
    code: 1,
    out: expect.stringContaining("the ledger as a whole: incomplete: the key of the payloads"),
  });
  expect(verifyBundle({ bundle: out })).toMatchObject({
    verdict: "clean",
    counts: { payloads: 3, opened: 0, shredded: 3 },
  });
});

test("nothing is overwritten, and an anchor that knows nothing of the log is no anchor", async () => {
  const again = await exported("--session", "ses_1", "--out", bundle);
  expect(again).toMatchObject({ code: 2, err: expect.stringContaining("is not empty") });
  const empty = join(home, "empty");
  await writeFile(empty, "");
  const none = await exported("--session", "ses_1", "--out", join(home, "none"), "--anchor", `file:${empty}`);
  expect(none).toMatchObject({ code: 2, err: expect.stringContaining("holds no checkpoint of this log") });
});
