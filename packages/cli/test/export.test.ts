import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { RecordDraft } from "@callgate/core";
import { expect, onTestFinished, test, vi } from "vitest";
import { parseAddress } from "../src/export/address.ts";
import { append, linesOf, of, seqsOf, story, upTo } from "./exported.ts";
import { callgate, emptyFolder, start } from "./run.ts";

// Each run of the command is a process, and a busy machine takes its time to start one.
vi.setConfig({ testTimeout: 60_000 });

const VERIFY = join(import.meta.dirname, "..", "..", "verify", "bin", "callgate-verify.cjs");
const MAIN = join(import.meta.dirname, "..", "dist", "main.js");

test("a file gets each record once, run after run, and only those that were asked for", async () => {
  const folder = await story();
  const file = join(folder, "out.jsonl");
  const first = await callgate("ledger", "export", "--to", `jsonl:${file}`, "--data", folder);
  expect(first).toMatchObject({ code: 0, err: "", out: `exported 7 records to jsonl:${file}, up to record 7\n` });
  await append(folder, [{ kind: "config", detail: { n: 1 } }]);
  const again = await callgate("ledger", "export", "--to", `jsonl:${file}`, "--json", "--data", folder);
  expect(JSON.parse(again.out)).toMatchObject({ seq: 10, cursor: `${file}.cursor` });
  expect(await seqsOf(file)).toEqual(upTo(10));

  const [denied, some] = [join(folder, "denied.ocsf"), join(folder, "some.jsonl")];
  const both = await Promise.all([
    callgate("ledger", "export", "verdict:deny", "--to", `ocsf:${denied}`, "--data", folder),
    callgate("ledger", "export", "--to", `jsonl:${some}`, "--from", "3", "--payloads", "--data", folder),
  ]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect((await linesOf(denied)).map((line) => JSON.parse(line).metadata.sequence)).toEqual([4]);
  expect((await linesOf(some))[0]).toMatch(/,"payloads":\{"result":"\{\\"sent\\":true\}"\}\}$/);
});

test("killed at any moment, a file export goes on to the very bytes of one that was never interrupted", async () => {
  const folder = await emptyFolder();
  const calls = upTo(6_000).map((i): RecordDraft => ({ kind: "intent", ...of(`call_${i}`) }));
  await append(folder, calls);
  const [killed, whole] = [join(folder, "killed.jsonl"), join(folder, "whole.jsonl")];
  const place = async (): Promise<{ seq: number; bytes: number }> =>
    JSON.parse(await readFile(`${killed}.cursor`, "utf8").catch(() => '{"seq":0,"bytes":0}'));

  let interrupted = 0;
  for (let round = 0; round < 2; round++) {
    const from = (await place()).seq;
    const child = spawn(process.execPath, [MAIN, "ledger", "export", "--to", `jsonl:${killed}`, "--data", folder]);
    const ended = once(child, "close");
    onTestFinished(() => void child.kill("SIGKILL"));
    while (child.exitCode === null && (await place()).seq <= from)
      await new Promise((resolve) => setImmediate(resolve));
    child.kill("SIGKILL");
    const [code] = (await ended) as [number | null];
    if (code === null) interrupted++;
    // What a crash between the write and the cursor leaves, and half of a line.
    await appendFile(killed, '{"seq":99999}\n{"half');
  }
  expect(interrupted).toBeGreaterThan(0);
  const runs = [killed, whole].map((file) => callgate("ledger", "export", "--to", `jsonl:${file}`, "--data", folder));
  expect((await Promise.all(runs)).map(({ code }) => code)).toEqual([0, 0]);
  expect(await seqsOf(killed)).toEqual(upTo(6_001));
  expect((await readFile(killed)).equals(await readFile(whole))).toBe(true);
});

test("what would repeat, lose or mix records is refused, and told how to go on", async () => {
  const folder = await story();
  const file = join(folder, "out.jsonl");
  const to = (...more: string[]) => callgate("ledger", "export", "--to", `jsonl:${file}`, ...more, "--data", folder);
  await writeFile(file, "somebody's\n");
  expect(await to()).toMatchObject({ code: 1, err: expect.stringContaining("is there already") });
  expect(await readFile(file, "utf8")).toBe("somebody's\n");
  await rm(file);
  expect((await to("--from", "5")).code).toBe(0);
  expect(await seqsOf(file)).toEqual([5, 6, 7]);
  expect(await to("agent:bot")).toMatchObject({
    code: 1,
    err: expect.stringContaining("belongs to another export, `jsonl`"),
  });
});

test.each([
  ["jsonl:C:\\logs\\out.jsonl", { kind: "jsonl", path: "C:\\logs\\out.jsonl" }],
  ["cef:out.cef", { kind: "cef", path: "out.cef" }],
  ["cef:tls://siem.example.com", { kind: "syslog", transport: "tls", host: "siem.example.com", port: 6514 }],
  ["cef:udp://[::1]:5514", { kind: "syslog", transport: "udp", host: "::1", port: 5514 }],
  ["otlp:https://collector/otlp/", { kind: "otlp", url: "https://collector/otlp", host: "collector", port: 443 }],
])("%s is a target", (text, address) => {
  expect(parseAddress(text)).toEqual(address);
});

test.each([
  ["jsonl", "`jsonl` in `--to` is not a target"],
  ["cef:http://siem:514", "is not a target"],
  ["cef:tcp://siem:514/path", "is not a target"],
  ["otlp:ftp://collector", "is not a target"],
  ["otlp:collector:4318", "is not a target"],
  ["otlp:http://user:secret@collector:4318", "a collector's address holds no password"],
])("%s is none", (text, message) => {
  expect(() => parseAddress(text)).toThrow(
    expect.objectContaining({ code: "BAD_ARGUMENT", message: expect.stringContaining(message) }),
  );
  expect(() => parseAddress(text)).not.toThrow(/secret/);
});

test("what was typed wrong, and what a target cannot hold, is wrong input", async () => {
  const to = (...args: string[]) => callgate("ledger", "export", "--to", ...args, "--data", "nowhere");
  const [cef, tiles, query] = await Promise.all([
    to("cef:out.cef", "--payloads"),
    to("tiles:out", "agent:bot"),
    to("jsonl:out", "verdict:maybe"),
  ]);
  expect(query).toMatchObject({ code: 2, out: "", err: expect.stringContaining("is not a value of `verdict`") });
  expect(cef).toMatchObject({ code: 2, err: expect.stringContaining("no place for payloads") });
  expect(tiles).toMatchObject({ code: 2, err: expect.stringContaining("`tiles` takes the whole log") });
});

test("followed, an export brings what is recorded meanwhile, holds its cursor alone, and ends when it is told to", async () => {
  const folder = await story();
  const file = join(folder, "out.cef");
  const args = ["ledger", "export", "--to", `cef:${file}`, "--data", folder];
  const following = start(...args, "--follow");
  const lines = () => linesOf(file).catch(() => []);
  await vi.waitFor(async () => expect(await lines()).toHaveLength(7), 15_000);
  expect(await callgate(...args)).toMatchObject({ code: 1, err: expect.stringContaining("another process exports") });
  await append(folder, [{ kind: "config" }]);
  await vi.waitFor(async () => expect((await lines()).length).toBeGreaterThan(8), 15_000);
  following.stop();
  expect(await following.ended).toMatchObject({ code: 0, err: "" });
  const found = await lines();
  expect(found.map((line) => Number(/externalId=log_\w+\/(\d+)/.exec(line)?.[1]))).toEqual(upTo(found.length));
  expect(found[3]).toContain("msg=not now\\n\\\\u{1b}[2Jact\\=allow | forged");
});

test("a tiles folder and a proof come from the checkpoint that the broker signed", async () => {
  const folder = await story();
  const tiles = join(folder, "tiles");
  const args = ["ledger", "export", "--to", `tiles:${tiles}`, "--data", folder];
  expect(await callgate(...args)).toMatchObject({ code: 0, out: expect.stringContaining("up to record 7") });
  const checkpoint = await readFile(join(tiles, "checkpoint"), "utf8");
  expect((await readFile(join(tiles, "tile", "0", "000.p", "7"))).length).toBe(7 * 32);

  const printed = await callgate("ledger", "proof", "4", "--data", folder);
  expect(printed.code).toBe(0);
  expect(printed.out.startsWith("c2sp.org/tlog-proof@v1\nextra ")).toBe(true);
  expect(printed.out.endsWith(`\n\n${checkpoint}`)).toBe(true);
  const file = join(folder, "4.tlog-proof");
  const out = await callgate("ledger", "proof", "4", "--out", file, "--data", folder);
  expect(out).toMatchObject({ code: 0, out: `wrote ${file}: record 4 in the log of 7 records\n` });
  expect(await readFile(file, "utf8")).toBe(printed.out);
  // Somebody who has the proof and the log's key, and nothing else.
  const verify = spawnSync(process.execPath, [VERIFY, "--proof", file, "--vkey", join(folder, "ledger.vkey")]);
  expect([verify.status, verify.stdout.toString()]).toEqual([
    0,
    expect.stringContaining("clean: the record is in the log"),
  ]);
  const [json, none] = await Promise.all([
    callgate("ledger", "proof", "4", "--json", "--data", folder),
    callgate("ledger", "proof", "99", "--data", folder),
  ]);
  expect(JSON.parse(json.out)).toMatchObject({ seq: 4, size: 7, proof: printed.out });
  expect(none).toMatchObject({ code: 1, out: "" });

  await append(folder, [{ kind: "config" }]);
  expect((await callgate(...args)).code).toBe(0);
  expect(await readFile(join(tiles, "checkpoint"), "utf8")).not.toBe(checkpoint);
});
