import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningFixture, startFixture } from "../conformance/fixture/start.ts";
import { withClient } from "../conformance/target.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { EVERYONE, manifestOf } from "../support/manifest.ts";
import { ODD, oddManifest } from "../support/odd/setup.ts";
import { CASES } from "./differential/cases.ts";
import { legacyHttp, legacyStdio, modernHttp, modernStdio, type Path, type Rounds } from "./differential/paths.ts";

// The short way of `tools/call` does not go through the SDK: whatever it answers must be what the SDK's way answers.

const folder = makeFolder("differential");
let fixture: RunningFixture;
let broker: Broker;
const paths: Record<string, Path> = {};

const POLICIES = {
  policies: [
    { id: "fixture", effect: "permit", tools: ["fixture__*"], reason: "open" },
    {
      id: "odd",
      effect: "permit",
      tools: [
        "odd__echo",
        "odd__big",
        "odd__forecast",
        "odd__chatter",
        "odd__ask",
        "odd__turn",
        "odd__place",
        "odd__die",
      ],
      reason: "open",
    },
    { id: "no-turns", effect: "forbid", tools: ["odd__turn"], reason: "nobody turns here", remedy: "go straight on" },
    { id: "ask-first", effect: "ask", tools: ["odd__same"], reason: "somebody looks", approve: "client" },
  ],
};

beforeAll(async () => {
  fixture = await startFixture();
  const { tools } = await withClient(fixture.url, "2026-07-28", (client) => client.listTools());
  const rich = { resources: EVERYONE, callbacks: ["elicitation", "sampling", "roots"], logging: true };
  folder.write("manifests/fixture.yaml", manifestOf("fixture", tools, rich));
  folder.write("manifests/odd.yaml", oddManifest({ manifest: rich }));
  folder.write("policies.yaml", POLICIES);
  const plenty = 1_000_000;
  const config = (name: string) =>
    folder.write(`${name}.yaml`, {
      version: 1,
      data: `data-${name}`,
      http: { port: 0 },
      servers: { fixture: { url: fixture.url }, odd: { command: process.execPath, args: [ODD] } },
      agents: { ann: {} },
      stdio: { agent: "ann" },
      policies: ["policies.yaml"],
      budgets: { session: { calls: plenty, callsPerMinute: plenty, cost: plenty, concurrent: plenty } },
      loop: { repeats: 1000, cycles: 1000 },
      approvals: { wait: "20ms" },
      log: { level: "fatal" },
    });
  broker = await startBroker(config("http"));
  const token = () => broker.token("ann");
  paths["short"] = modernHttp(broker.url, await token(), false);
  paths["sdk"] = modernHttp(broker.url, await token(), true);
  paths["sdk over stdio"] = await modernStdio(config("modern"));
  paths["short, in a session"] = await legacyHttp(broker.url, await token());
  paths["sdk over stdio, in a session"] = await legacyStdio(config("legacy"));
});
afterAll(async () => {
  await Promise.all(Object.values(paths).map((path) => path.close()));
  await broker?.stop();
  await fixture?.close();
  folder.remove();
});

/** What differs from run to run and says nothing: ids, states and the numbers of records. */
function normal(rounds: Rounds): unknown {
  const text = JSON.stringify(rounds.map((messages) => messages.map((m) => ("id" in m ? { ...m, id: "<id>" } : m))));
  return JSON.parse(
    text
      .replaceAll(/\b(call|apr|prk)_[0-9a-z]{10,}/g, "<$1>")
      .replaceAll(/"record":\d+/g, '"record":"<record>"')
      .replaceAll(/Record: \d+/g, "Record: <record>")
      .replaceAll(/"requestState":"[^"]+"/g, '"requestState":"<state>"'),
  );
}

async function through(path: string, one: (typeof CASES)[number]): Promise<unknown> {
  return normal(await (paths[path] as Path).run(one));
}

describe("without sessions", () => {
  it.each(CASES)("the short way and the SDK's answer alike: $name", async (one) => {
    const short = await through("short", one);
    expect(await through("sdk", one), "over HTTP").toEqual(short);
    expect(await through("sdk over stdio", one), "over stdio").toEqual(short);
  });
});

describe("in a session", () => {
  it.each(CASES.filter((one) => !one.modernOnly))("the short way and the SDK's answer alike: $name", async (one) => {
    const short = await through("short, in a session", one);
    expect(await through("sdk over stdio, in a session", one)).toEqual(short);
  });
});

describe("the comparison", () => {
  it("sees a difference where there is one", async () => {
    const one = { name: "", tool: "odd__echo", args: { text: "one" } };
    expect(await through("short", one)).not.toEqual(await through("sdk", { ...one, args: { text: "two" } }));
  });
});
