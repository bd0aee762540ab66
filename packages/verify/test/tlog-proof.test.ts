import { generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { leafHash, nodeHash } from "../src/merkle.ts";
import { renderProofReport, verifyProof } from "../src/tlog-proof.ts";

const folder = mkdtempSync(join(tmpdir(), "callgate-proof-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NAME = "callgate/log_1";
const LEAVES = [1, 2, 3].map((seq) => `{"agent":"b\\u001bot","log":"log_1","seq":${seq},"v":2}`);
const [one, two, three] = LEAVES.map((leaf) => Buffer.from(leafHash(leaf), "hex")) as [Buffer, Buffer, Buffer];
const root = nodeHash(nodeHash(one, two), three);

interface Signer {
  readonly vkey: string;
  readonly id: string;
  readonly key: KeyObject;
}

function signer(name: string): Signer {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const bytes = Buffer.concat([Buffer.of(1), publicKey.export({ format: "der", type: "spki" }).subarray(-32)]);
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), bytes]), "hex").slice(0, 8);
  return { vkey: `${name}+${id}+${bytes.toString("base64")}`, id, key: privateKey };
}

function note(by: Signer, origin = NAME, size = 3, top = root): string {
  const body = `${origin}\n${size}\n${top.toString("base64")}\n`;
  const signature = Buffer.concat([Buffer.from(by.id, "hex"), sign(null, Buffer.from(body), by.key)]);
  return `${body}\n— ${NAME} ${signature.toString("base64")}\n`;
}

const OWN = signer(NAME);

/** The proof of record 2. */
function proof(changed: { leaf?: string; index?: number; path?: readonly Buffer[]; note?: string } = {}): string {
  return [
    "c2sp.org/tlog-proof@v1",
    `extra ${Buffer.from(changed.leaf ?? LEAVES[1]!).toString("base64")}`,
    `index ${changed.index ?? 1}`,
    ...(changed.path ?? [one, three]).map((step) => step.toString("base64")),
    "",
    changed.note ?? note(OWN),
  ].join("\n");
}

function check(text: string, vkey = OWN.vkey) {
  const file = join(folder, "proof");
  writeFileSync(file, text);
  return verifyProof({ proof: file, vkey });
}

test("a record is in its log", () => {
  const report = check(proof());
  expect(report).toEqual({
    v: 1,
    verdict: "clean",
    exitCode: 0,
    findings: [],
    log: "log_1",
    seq: 2,
    leaf: LEAVES[1],
    head: { size: 3, root: root.toString("base64") },
  });
  expect(renderProofReport(report)).toContain("clean: the record is in the log");
  const file = join(folder, "key");
  writeFileSync(file, `${OWN.vkey}\n`);
  expect(check(proof(), file).verdict).toBe("clean");
});

test.each<[string, string, string]>([
  ["another leaf", proof({ leaf: LEAVES[1]!.replace("bot", "cat") }), "inclusion"],
  ["another place", proof({ index: 0 }), "inclusion"],
  ["a place behind the end", proof({ index: 3 }), "inclusion"],
  ["a way that leads elsewhere", proof({ path: [three, one] }), "inclusion"],
  ["a way that is cut", proof({ path: [one] }), "inclusion"],
  ["a tree that was not signed", proof({ note: note(OWN).replace("\n3\n", "\n4\n") }), "checkpoint-signature"],
  ["somebody else's signature", proof({ note: note(signer(NAME)) }), "checkpoint-signature"],
  ["a checkpoint of another log", proof({ note: note(OWN, "callgate/log_2") }), "log"],
  ["no signature that can be read", proof({ note: "callgate/log_1\n3\n" }), "checkpoint-form"],
])("%s is tampering", (_, text, code) => {
  const report = check(text);
  expect(report).toMatchObject({ verdict: "tampered", exitCode: 1 });
  expect(report.findings.map((finding) => finding.code)).toContain(code);
  expect(renderProofReport(report)).toMatch(/^TAMPERED: /m);
  expect(renderProofReport(report)).not.toContain("leaf   ");
});

test("a leaf that is in the tree and says otherwise is tampering", () => {
  const lying = '{"log":"log_1","seq":3,"v":2}';
  const path = [one, three];
  const top = nodeHash(nodeHash(one, Buffer.from(leafHash(lying), "hex")), three);
  expect(check(proof({ leaf: lying, path, note: note(OWN, NAME, 3, top) })).findings.map((f) => f.code)).toEqual([
    "order",
  ]);
});

test.each([
  ["nothing", ""],
  ["another version", proof().replace("@v1", "@v2")],
  ["no leaf", proof().replace(/extra .*\n/, "")],
  ["half a hash", proof({ path: [one.subarray(16)] })],
])("%s is not a proof", (_, text) => {
  expect(check(text)).toMatchObject({ verdict: "unreadable", exitCode: 3 });
});

test("a key that is none, and a file that is not there, are said to be", () => {
  expect(check(proof(), "no key").findings[0]?.problem).toBe("the given key is not a verifier key");
  expect(verifyProof({ proof: join(folder, "none"), vkey: OWN.vkey }).exitCode).toBe(3);
});
