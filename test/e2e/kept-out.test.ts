import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ApprovalStore } from "@callgate/gateway";
import { openReader } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { setFailing } from "../support/failing.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn, verify } from "../support/ledger.ts";
import { writeOdd } from "../support/odd/setup.ts";
import { until } from "../support/until.ts";

const folder = makeFolder("kept-out");
const anchor = join(folder.path, "outside.jsonl");
let broker: Broker;

beforeAll(async () => {
  const ledger = { search: false, redact: [{ pattern: "sk-[a-z0-9]+" }], anchors: [`file:${anchor}`] };
  broker = await startBroker(writeOdd(folder, { config: { ledger } }));
});
afterAll(async () => {
  await broker.stop();
});

describe("a broker", () => {
  it("passes on what is kept out of the record, and records that something was there", async () => {
    const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
    expect(textOf(await agent.call("odd__echo", { text: "the key sk-4711abc opens" }))).toContain("sk-4711abc");
    await agent.close();
    const [call] = await callsAfter(broker.data, 0);
    const reader = openReader(broker.data);
    const { args, facts } = reader.show(call?.intent.seq as number)?.payloads ?? {};
    expect(args).toBe('{"text":"the key [redacted] opens"}');
    expect(facts).not.toContain("4711");
    expect(reader.show(call?.outcome.seq as number)?.payloads["result"]).toContain("the key [redacted] opens");
    reader.close();
  });

  it("writes no payload to its folder in the clear", async () => {
    const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
    await agent.call("odd__echo", { text: "a very private sentence" });
    await agent.close();
    await callsAfter(broker.data, 0);
    for (const entry of readdirSync(broker.data, { withFileTypes: true }))
      if (entry.isFile()) expect(readFileSync(join(broker.data, entry.name)).includes("very private")).toBe(false);
  });

  it("tells how far its anchors are behind, and gives them the last checkpoint when it ends", async () => {
    const health = async () => (await (await fetch(new URL("/healthz", broker.url))).json()) as unknown;
    await until(
      "the anchor",
      async () => JSON.stringify(await health()) === '{"status":"ok","anchors":[{"lag":0,"ok":true}]}',
    );
    await broker.stop();
    const notes = readFileSync(anchor, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { note: string }).note);
    const reader = openReader(broker.data);
    expect(notes.at(-1)).toBe(reader.checkpoint()?.note);
    reader.close();
  });
});

/** The files of a folder that hold a text. */
function filesWith(data: string, text: string): string[] {
  const files = readdirSync(data, { withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((entry) => entry.name).filter((name) => readFileSync(join(data, name)).includes(text));
}

describe.each([
  { name: "redact", ledger: { search: true, redact: [{ pattern: "sk-[a-z0-9]+" }] } },
  { name: "payloads", ledger: { payloads: false } },
])("with ledger.$name", ({ name, ledger }) => {
  const own = makeFolder(`kept-out-${name}`);
  let other: Broker;

  beforeAll(async () => {
    own.write("policies.yaml", {
      policies: [
        { id: "all", effect: "permit", tools: ["*"] },
        { id: "ask", effect: "ask", tools: ["failing__hold"], reason: "a person looks at it" },
      ],
    });
    other = await startBroker(
      own.write("callgate.yaml", {
        version: 1,
        data: "data",
        http: { port: 0 },
        servers: { failing: setFailing(own) },
        agents: { ann: { scopes: [] } },
        policies: ["policies.yaml"],
        approvals: { wait: "20s" },
        log: { level: "warn" },
        ledger,
      }),
    );
  });
  afterAll(async () => {
    await other.stop();
  });

  it("what a server says of a failure is kept as a result is, and is not in the leaf", async () => {
    const agent = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
    const before = newestIn(other.data);
    expect(textOf(await agent.call("failing__fail", { text: "sk-4711abc failed" }))).toContain("sk-4711abc");
    await expect(agent.call("failing__refuse", { text: "sk-4711abc refused" })).rejects.toThrow("sk-4711abc");
    await agent.close();
    const calls = await callsAfter(other.data, before);
    expect(calls.map(({ outcome }) => outcome.error)).toEqual([
      { code: "tool-error", message: "the tool reported an error" },
      { code: "wire/-32050", message: "the server answered with an error" },
    ]);
    expect(JSON.stringify(recordsIn(other.data))).not.toContain("4711");
    const reader = openReader(other.data);
    const results = calls.map(({ outcome }) => reader.show(outcome.seq)?.payloads["result"]);
    reader.close();
    if (ledger.payloads === false) expect(results).toEqual([undefined, undefined]);
    else {
      expect(results[0]).toContain("was: [redacted] failed");
      expect(JSON.parse(results[1] ?? "")).toEqual({
        code: -32050,
        message: "refused: [redacted] refused",
        data: { about: "[redacted] refused" },
      });
    }
    expect(filesWith(other.data, "4711")).toEqual([]);
    expect(verify(other.data)).toMatchObject({ ok: true });
  });

  it("names that an agent made up are told to it, and are not in the leaf", async () => {
    const agent = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
    const denied = textOf(await agent.call("failing__fail", { "sk-4712abc": 1 }));
    expect(denied).toContain("`arguments.sk-4712abc` must be string");
    await agent.close();
    const [denial] = recordsIn(other.data, { kind: ["denial"] });
    expect(denial?.error).toEqual({ code: "callgate/invalid-arguments", message: "`arguments.*` must be string" });
    expect(filesWith(other.data, "4712abc")).toEqual([]);
  });

  it("arguments that wait for a person are in the clear no longer than they wait", async () => {
    const agent = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
    const operator = new ApprovalStore(other.data);
    for (const verdict of ["approved", "denied"] as const) {
      const call = agent.call("failing__hold", { text: `sk-4713abc ${verdict}` });
      const held = await until("the call to be held", () => operator.list("pending")[0]);
      expect(held.argsText).toContain("sk-4713abc");
      operator.answer(held.id, verdict, "somebody");
      await call;
      expect(operator.get(held.id)).toMatchObject({ status: verdict === "approved" ? "used" : "denied", argsText: "" });
      expect(filesWith(other.data, "4713abc")).toEqual([]);
    }
    operator.close();
    await agent.close();
  });
});
