import { randomBytes } from "node:crypto";
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ApprovalStore } from "@callgate/gateway";
import { holdFileKey, openDataFile, openReader } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { setFailing } from "../support/failing.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter } from "../support/ledger.ts";
import { type Running, startNode } from "../support/process.ts";
import { until } from "../support/until.ts";

const VERIFY = fileURLToPath(new URL("../../packages/verify/src/main.ts", import.meta.url));
const KEY = randomBytes(32).toString("hex");
const folder = makeFolder("encrypted");
const keyFile = folder.write("ledger.key", `${KEY}\n`);
const wrongFile = folder.write("wrong.key", randomBytes(32).toString("hex"));
const data = join(folder.path, "data");
const anchor = join(folder.path, "outside.jsonl");
// What a person would look for in the folder: who called what, with what.
const WORDS = ["annabelle", "failing__", "whoever reads this", "say nothing", "ses_"];
let session = "";
let intent = 0;

function configuration(name: string, ledger: Readonly<Record<string, unknown>>): string {
  return folder.write(name, {
    version: 1,
    data: "data",
    http: { port: 0 },
    servers: { failing: setFailing(folder) },
    agents: { annabelle: { scopes: [] } },
    policies: ["policies.yaml"],
    approvals: { wait: "20s" },
    log: { level: "warn" },
    ledger: { anchors: [`file:${anchor}`], ...ledger },
  });
}

folder.write("policies.yaml", {
  policies: [
    { id: "all", effect: "permit", tools: ["*"] },
    { id: "ask", effect: "ask", tools: ["failing__hold"], reason: "say nothing of it" },
  ],
});
const config = configuration("callgate.yaml", { encryption: { key: "${file:ledger.key}" } });
const plain = configuration("plain.yaml", {});

/** All files of a folder, and of those in it. */
function filesIn(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function filesWith(words: readonly string[], path = data): string[] {
  return filesIn(path).filter((file) => {
    const bytes = readFileSync(file);
    return words.some((word) => bytes.includes(word));
  });
}

async function ended(process: Running): Promise<{ code: number | NodeJS.Signals; text: string }> {
  const code = await process.ended;
  return { code, text: process.lines.join("\n") };
}

const run = async (...args: string[]): Promise<{ code: number | NodeJS.Signals; text: string }> => {
  const { code, lines } = await callgate(...args);
  return { code, text: lines.join("\n") };
};

const verify = (...args: string[]) => ended(startNode([VERIFY, data, "--anchor", `file:${anchor}`, ...args]));

/** Some calls, one of which waits for a person who never comes; what the folder held meanwhile. */
async function work(broker: Broker): Promise<string[]> {
  const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("annabelle") });
  await agent.call("failing__fail", { text: "whoever reads this" });
  const operator = new ApprovalStore(data);
  const held = agent.call("failing__hold", { text: "whoever reads this, too" });
  const waiting = await until("the call to be held", () => operator.list("pending")[0]);
  const files = filesWith(WORDS);
  operator.answer(waiting.id, "approved", "somebody");
  await held;
  operator.close();
  await agent.close();
  await callsAfter(data, 0);
  return files;
}

describe("an encrypted ledger", () => {
  let meanwhile: string[];

  beforeAll(async () => {
    holdFileKey(data, KEY);
    const broker = await startBroker(config);
    try {
      meanwhile = await work(broker);
      // The index is filled behind the calls.
      await until("the index", () => {
        const reader = openReader(data);
        const { indexed, head } = reader.searchState();
        const [newest] = reader.query({ kind: ["intent"], limit: 1 });
        [session, intent] = [newest?.session ?? "", newest?.seq ?? 0];
        reader.close();
        return indexed === head;
      });
    } finally {
      await broker.stop();
    }
  });
  afterAll(() => {
    holdFileKey(data, undefined);
    folder.remove();
  });

  it("has no name and no argument in the clear in any file of its folder, while it is written and after", () => {
    const names = filesIn(data).map((file) => file.slice(data.length + 1));
    expect(names).toEqual(expect.arrayContaining(["approvals.db", "ledger.db", "payload-keys.db", "search.db"]));
    expect([meanwhile, filesWith(WORDS)]).toEqual([[], []]);
    for (const name of names.filter((one) => one.endsWith(".db") && statSync(join(data, one)).size > 0))
      expect(readFileSync(join(data, name)).subarray(0, 6).toString("latin1")).not.toBe("SQLite");
  });

  it.each([
    ["query", "agent:annabelle"],
    ["query", '"whoever reads"'],
    ["tail", "-n", "5"],
    ["show", "--intent"],
    ["timeline", "--session"],
    ["tree", "--session"],
    ["stats"],
    ["sql", "SELECT agent, tool, count(*) FROM calls GROUP BY 1, 2"],
    ["index"],
    ["proof", "--intent"],
    ["verify"],
  ])("is read by `ledger %s`", async (command, ...args) => {
    const more = args.flatMap((arg) =>
      arg === "--session" ? [arg, session] : arg === "--intent" ? [String(intent)] : [arg],
    );
    const read = await run("ledger", command, ...more, "--config", config);
    expect(read, read.text).toMatchObject({ code: 0 });
    if (["query", "tail", "show", "stats", "sql"].includes(command)) expect(read.text).toContain("annabelle");
    const unread = await run("ledger", command, ...more, "--data", data, "--config", plain);
    expect(unread.code).not.toBe(0);
    expect(unread.text).toContain("is encrypted");
  });

  it("is exported, and what an incident bundle has of it can be checked by itself", async () => {
    const lines = await run(
      "ledger",
      "export",
      "--to",
      `jsonl:${join(folder.path, "out.jsonl")}`,
      "--data",
      data,
      "--key-file",
      keyFile,
    );
    expect(lines, lines.text).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder.path, "out.jsonl"), "utf8")).toContain("annabelle");
    const bundle = join(folder.path, "bundle");
    const exported = await run("incident", "export", "--session", session, "--out", bundle, "--config", config);
    expect(exported, exported.text).toMatchObject({ code: 0 });
    expect(await ended(startNode([VERIFY, "--bundle", bundle]))).toMatchObject({ code: 0 });
    expect(await run("approvals", "list", "--all", "--config", config)).toMatchObject({ code: 0 });
  });

  it("is checked by the verifier with its key, by all threads, and is unreadable without it or with another", async () => {
    expect(await verify("--key-file", keyFile, "--open-all")).toMatchObject({
      code: 0,
      text: expect.stringContaining("complete up to record"),
    });
    expect(await verify("--key-file", keyFile, "--threads", "2")).toMatchObject({ code: 0 });
    expect(await verify()).toMatchObject({ code: 3, text: expect.stringContaining("give its key with --key-file") });
    expect(await verify("--key-file", wrongFile)).toMatchObject({
      code: 3,
      text: expect.stringContaining("the key does not open it"),
    });
    expect(await verify("--key-file", anchor)).toMatchObject({
      code: 3,
      text: expect.stringContaining("64 hex digits"),
    });
  });

  it("shows what somebody changed who has the key, and what somebody changed who has not", async () => {
    const copy = join(folder.path, "copy");
    cpSync(data, copy, { recursive: true });
    holdFileKey(copy, KEY);
    const db = openDataFile(join(copy, "ledger.db"));
    const trigger = db.prepare<[], string>("SELECT sql FROM sqlite_schema WHERE name = 'record_update'").pluck().get();
    db.exec("DROP TRIGGER record_update");
    db.prepare("UPDATE record SET leaf = replace(leaf, 'annabelle', 'annabella') WHERE seq = ?").run(intent);
    db.exec(trigger as string);
    db.close();
    const edited = await ended(startNode([VERIFY, copy, "--key-file", keyFile, "--json"]));
    expect(edited.code).toBe(1);
    expect(JSON.parse(edited.text.split("\n").at(-1) ?? "")).toMatchObject({ first: { seq: intent } });

    const blind = join(folder.path, "blind");
    cpSync(data, blind, { recursive: true });
    const bytes = readFileSync(join(blind, "ledger.db"));
    const at = Math.floor(bytes.length / 4096 / 2) * 4096 + 100;
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    writeFileSync(join(blind, "ledger.db"), bytes);
    expect(await ended(startNode([VERIFY, blind, "--key-file", keyFile]))).toMatchObject({
      code: 1,
      text: expect.stringContaining("is not as it was encrypted"),
    });
  });

  it("is not written by a broker with another key or none, which says what to do", async () => {
    const other = configuration("other.yaml", { encryption: { key: "${file:wrong.key}" } });
    const refused = await run("serve", "--config", other);
    expect(refused.code).not.toBe(0);
    expect(refused.text).toContain("the key does not open `ledger.db`");
    const keyless = await run("serve", "--config", plain);
    expect(keyless.code).not.toBe(0);
    expect(keyless.text).toContain("write `ledger.encryption.key` into the configuration");
    const written = await run("check", "--config", configuration("bad.yaml", { encryption: { key: KEY } }));
    expect(written.code).not.toBe(0);
    expect(written.text).toContain("the key is written out");
    expect(written.text).not.toContain(KEY);
    const short = await run(
      "check",
      "--config",
      configuration("short.yaml", { encryption: { key: "${file:policies.yaml}" } }),
    );
    expect(short.text).toContain("openssl rand -hex 32");
  });

  it("is made plain, encrypted again and given another key, with the same records", async () => {
    const count = async (...args: string[]) =>
      (await run("ledger", "query", "--all", "--json", "--data", data, ...args)).text;
    const before = await count("--key-file", keyFile);
    expect(before).toContain("annabelle");
    const refused = await run("ledger", "decrypt", "--data", data, "--key-file", wrongFile);
    expect(refused, refused.text).toMatchObject({ code: 1, text: expect.stringContaining("the key does not open") });

    const decrypted = await run("ledger", "decrypt", "--data", data, "--key-file", keyFile);
    expect(decrypted, decrypted.text).toMatchObject({ code: 0 });
    holdFileKey(data, undefined);
    expect(await count()).toBe(before);
    expect(await verify()).toMatchObject({ code: 0 });
    const unready = await run("serve", "--config", config);
    expect(unready.code).not.toBe(0);
    expect(unready.text).toContain("run `callgate ledger encrypt`");
    // A broker without a key goes on with it as ever.
    const broker = await startBroker(plain);
    await broker.stop();
    expect(filesWith(["failing__"]).length).toBeGreaterThan(0);

    const encrypted = await run("ledger", "encrypt", "--config", config);
    expect(encrypted, encrypted.text).toMatchObject({ code: 0, text: expect.stringContaining("encrypted: ledger.db") });
    expect(filesWith(WORDS)).toEqual([]);
    expect(await run("ledger", "encrypt", "--config", config)).toMatchObject({
      text: expect.stringContaining("left as it is: ledger.db"),
    });
    const rotated = await run(
      "ledger",
      "encrypt",
      "--data",
      data,
      "--key-file",
      wrongFile,
      "--previous-key-file",
      keyFile,
    );
    expect(rotated, rotated.text).toMatchObject({ code: 0 });
    expect(filesWith(WORDS)).toEqual([]);
    expect(await verify("--key-file", keyFile)).toMatchObject({ code: 3 });
    expect(await verify("--key-file", wrongFile)).toMatchObject({ code: 0 });
    await run("ledger", "encrypt", "--config", config, "--previous-key-file", wrongFile);
    expect(await verify("--key-file", keyFile)).toMatchObject({ code: 0 });
  });

  it("can be sealed and archived; what is taken out of it is encrypted too, and is checked with its key", async () => {
    const segments = join(folder.path, "segments");
    expect(await run("ledger", "seal", "--config", config)).toMatchObject({ code: 0 });
    const archived = await run("ledger", "archive", "--before", "1000", "--to", segments, "--config", config);
    expect(archived, archived.text).toMatchObject({ code: 0 });
    expect(filesIn(segments)).toHaveLength(1);
    expect(filesWith(WORDS, segments)).toEqual([]);
    expect(await verify("--key-file", keyFile, "--segments", segments)).toMatchObject({ code: 0 });
  });
});
