import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Findings } from "../src/finding.ts";
import { judgeAnchor } from "../src/judge.ts";
import { COSIGNATURE, type NoteKey, parseNoteKey } from "../src/note.ts";
import { askWitness } from "../src/witness.ts";

const ORIGIN = "callgate/log_1";
const root = (n: number): Buffer => Buffer.alloc(32, n);
const note = (size: number, hash = root(size)): string =>
  `${ORIGIN}\n${size}\n${hash.toString("base64")}\n\n— ${ORIGIN} ${Buffer.alloc(68).toString("base64")}\n`;

/** A witness's key, and the line with which it signs a note's text. */
function cosigner(name: string): { readonly key: NoteKey; line(body: string): string } {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const bytes = Buffer.concat([
    Uint8Array.of(COSIGNATURE),
    publicKey.export({ format: "der", type: "spki" }).subarray(-32),
  ]);
  const id = createHash("sha256").update(`${name}\n`).update(bytes).digest().subarray(0, 4);
  const text = `${name}+${id.toString("hex")}+${bytes.toString("base64")}`;
  return {
    key: parseNoteKey(text, COSIGNATURE) as NoteKey,
    line(body) {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(1_772_000_000n);
      const signature = sign(null, Buffer.from(`cosignature/v1\ntime 1772000000\n${body}`), privateKey);
      return `— ${name} ${Buffer.concat([id, time, signature]).toString("base64")}\n`;
    },
  };
}

const own = cosigner("witness");

/** A witness as C2SP tlog-witness describes it, which has seen a size; `moved` counts what it was made to remember. */
async function witness(seen: number, hash = root(seen), status?: number): Promise<{ url: string; moved(): number }> {
  let moved = 0;
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk));
    request.on("end", () => {
      const [, old, size, base64] = /^old (\d+)\n\n\S+\n(\d+)\n(\S+)\n\n/.exec(body) ?? [];
      const say = (code: number, type: string, text: string): unknown =>
        response.writeHead(code, { "content-type": type }).end(text);
      if (request.url !== "/prefix/add-checkpoint" || request.method !== "POST") return say(404, "text/plain", "");
      if (status !== undefined) return say(status, "text/plain", "");
      if (Number(old) !== seen || (Number(size) === seen && base64 !== hash.toString("base64")))
        return say(409, "text/x.tlog.size", `${seen}\n`);
      if (Number(size) > seen) moved++;
      return say(200, "text/plain", own.line(body.slice(body.indexOf("\n\n") + 2, body.lastIndexOf("\n\n") + 1)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`, moved: () => moved };
}

/** A log of ten records with a checkpoint at every second one, held against a witness. */
async function against(url: string, keys: readonly NoteKey[] = [own.key]): Promise<readonly string[]> {
  const notes = {
    newest: { size: 10, note: note(10) },
    at: (size: number) => (size % 2 === 0 ? note(size) : undefined),
  };
  const anchor = await askWitness(url, ORIGIN, notes, keys);
  const findings = new Findings();
  const roots = new Map(Array.from({ length: 10 }, (_, i) => [i + 1, root(i + 1)]));
  const unchecked: string[] = [];
  const { covers } = judgeAnchor(anchor, { records: 10, size: 10, roots }, true, findings, unchecked);
  return [`covers ${covers}`, ...unchecked, ...findings.list.map(({ aspect, code }) => `${aspect} ${code}`)];
}

test.each<[string, number, Buffer, readonly string[]]>([
  ["just the newest", 10, root(10), ["covers 10"]],
  ["an earlier one", 6, root(6), ["covers 6"]],
  ["more than there is", 12, root(12), ["covers 0", "completeness anchor-short"]],
  ["another one of the same size", 10, root(99), ["covers 0", "integrity anchor-root"]],
  ["another one of an earlier size", 6, root(99), ["covers 0", "integrity anchor-root"]],
  ["a size of which no checkpoint was ever made here", 7, root(7), ["covers 0", "integrity anchor-root"]],
  ["nothing yet", 0, root(0), ["covers 0", "completeness anchor-unknown"]],
])("a witness that has seen %s", async (_, seen, hash, expected) => {
  const { url, moved } = await witness(seen, hash);
  expect(await against(url)).toEqual(expected);
  expect(moved()).toBe(0);
});

test("a witness that does not know the log", async () => {
  expect(await against((await witness(0, root(0), 404)).url)).toEqual(["covers 0", "completeness anchor-unknown"]);
});

test("a witness that does not answer as one, or not at all", async () => {
  expect(await against((await witness(0, root(0), 500)).url)).toEqual(["covers 0", "unreadable anchor"]);
  expect(await against("http://127.0.0.1:1/")).toEqual(["covers 0", "unreadable anchor"]);
});

test("a witness that another key signs for is none", async () => {
  const { url } = await witness(10);
  expect(await against(url, [cosigner("witness").key])).toEqual(["covers 0", "unreadable anchor"]);
  expect(await against(url, [cosigner("other").key, own.key])).toEqual(["covers 10"]);
});

test("a web server that answers everything is no witness", async () => {
  const server = createServer((_, response) => response.end("<p>Welcome</p>"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await against(url)).toEqual(["covers 0", "unreadable anchor"]);
  expect(await against(url, [])).toEqual([
    "covers 0",
    `whether \`${url}\` is the witness: give its key with --witness-vkey; without it any web server could say the same`,
  ]);
});

test("a witness is asked with the password in its address, and called without", async () => {
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization);
    response.writeHead(500).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const notes = { newest: { size: 10, note: note(10) }, at: () => undefined };
  const anchor = await askWitness(`http://me:h%2Fsh@${host}`, ORIGIN, notes, []);
  expect(asked).toEqual([`Basic ${Buffer.from("me:h/sh").toString("base64")}`]);
  expect(anchor).toMatchObject({ name: `http://${host}`, problem: "it answers 500" });
});
