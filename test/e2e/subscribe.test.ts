import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningFixture, startFixture } from "../conformance/fixture/start.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { EVERYONE, manifestOf, PERMIT_ALL } from "../support/manifest.ts";

const URI = "test://watched-resource";
const folder = makeFolder("subscribe");
let fixture: RunningFixture;

beforeAll(async () => {
  fixture = await startFixture();
});
afterAll(async () => {
  await fixture?.close();
  folder.remove();
});

// Subscribing is `resources/subscribe` at an older server and a stream at a stateless one; it is the same call to the policies.
describe.each(["legacy", "modern"] as const)("subscribing at a %s server", (era) => {
  async function open(name: string, policies: object): Promise<{ broker: Broker; client: Client }> {
    const at = `${era}-${name}`;
    folder.write(`${at}/manifests/fixture.yaml`, manifestOf("fixture", [], { resources: EVERYONE }));
    folder.write(`${at}/policies/all.yaml`, policies);
    const config = folder.write(`${at}/callgate.yaml`, {
      version: 1,
      http: { port: 0 },
      servers: { fixture: { url: fixture.url, era, connection: "session" } },
      agents: { reader: {} },
      policies: ["policies/*.yaml"],
    });
    const broker = await startBroker(config);
    const client = new Client({ name: "reader", version: "1" });
    const headers = { authorization: `Bearer ${await broker.token("reader")}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(broker.url), { requestInit: { headers } }));
    return { broker, client };
  }
  const subscribe = (client: Client) => client.request({ method: "resources/subscribe", params: { uri: URI } });

  it("is a call with an intent and an outcome", async () => {
    const { broker, client } = await open("permitted", PERMIT_ALL);
    const before = newestIn(broker.data);
    await subscribe(client);
    const calls = await callsAfter(broker.data, before);
    expect(calls.map((c) => [c.intent.tool?.name, c.outcome.status])).toEqual([["resources/subscribe", "ok"]]);
    await client.close();
    await broker.stop();
  });

  it("is denied where a policy forbids it, and the denial is recorded", async () => {
    const forbid = {
      policies: [
        ...PERMIT_ALL.policies,
        { id: "no-watching", effect: "forbid", tools: ["fixture/resources/subscribe"], reason: "nobody watches here" },
      ],
    };
    const { broker, client } = await open("forbidden", forbid);
    await expect(subscribe(client)).rejects.toThrow("nobody watches here");
    const denials = recordsIn(broker.data, { kind: ["denial"] });
    expect(denials.map((d) => [d.tool?.name, d.decision?.rules])).toEqual([["resources/subscribe", ["no-watching"]]]);
    await client.close();
    await broker.stop();
  });
});
