import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openReader } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, textOf } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter } from "../support/ledger.ts";
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
    for (const name of readdirSync(broker.data))
      expect(readFileSync(join(broker.data, name)).includes("very private")).toBe(false);
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
