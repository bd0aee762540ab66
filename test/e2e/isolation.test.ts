import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect, KINDS, type Kind, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, startBroker, type TokenWish } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { recordsIn } from "../support/ledger.ts";
import { EVERYONE } from "../support/manifest.ts";
import { ran, writeOdd } from "../support/odd/setup.ts";
import { until } from "../support/until.ts";
import { headersFor, LEGACY_VERSION, openSession, send } from "../support/wire.ts";

const folder = makeFolder("isolation");
const agents = { ann: { scopes: ["odd:use", "odd:ann"] }, bob: { scopes: ["odd:use"] } };
const tools = {
  echo: { scopes: ["odd:use"] },
  same: { scopes: ["odd:ann"] },
  turn: { scopes: ["odd:ann", "odd:use"] },
};

/** A server whose every session has a connection of its own, since it may ask back; and one that all share. */
const brokers: { own?: Broker; shared?: Broker } = {};

beforeAll(async () => {
  const rich = { resources: EVERYONE, logging: true };
  const own = writeOdd(
    folder,
    { tools, manifest: { ...rich, callbacks: ["elicitation", "sampling"] }, config: { agents } },
    "own",
  );
  const shared = writeOdd(folder, { tools, manifest: rich, config: { agents } }, "shared");
  [brokers.own, brokers.shared] = await Promise.all([startBroker(own), startBroker(shared)]);
});
afterAll(async () => {
  await Promise.all(Object.values(brokers).map((broker) => broker.stop()));
  folder.remove();
});

async function agentOf(broker: Broker, kind: Kind, name: string, says: string, wish?: TokenWish): Promise<Agent> {
  return connect(
    kind,
    { url: broker.url, token: await broker.token(name, wish) },
    {
      "elicitation/create": () => ({ action: "accept", content: { answer: says } }),
      "sampling/createMessage": () => ({ role: "assistant", model: "m", content: { type: "text", text: says } }),
    },
  );
}

/** Every pair of client kinds would be nine; these have each kind on either side, and both eras beside each other. */
const PAIRS: readonly (readonly [Kind, Kind])[] = [
  [KINDS[0], KINDS[2]],
  [KINDS[1], KINDS[0]],
  [KINDS[2], KINDS[1]],
  [KINDS[2], KINDS[2]],
];

describe.each(PAIRS)("%s beside %s", (first, second) => {
  let ann: Agent;
  let bob: Agent;
  beforeAll(async () => {
    [ann, bob] = await Promise.all([
      agentOf(brokers.own as Broker, first, "ann", "I am ann"),
      agentOf(brokers.own as Broker, second, "bob", "I am bob"),
    ]);
  });
  afterAll(() => Promise.all([ann?.close(), bob?.close()]));

  it("asks each for its own calls alone", async () => {
    const rounds = [1, 2, 3, 4];
    const answers = await Promise.all(
      rounds.flatMap((i) => [
        ann.call("odd__ask", { question: `ann ${i}` }),
        bob.call("odd__ask", { question: `bob ${i}` }),
        ann.call("odd__sample", { prompt: `ann ${i}` }),
        bob.call("odd__sample", { prompt: `bob ${i}` }),
      ]),
    );
    for (const [i, answer] of answers.entries()) {
      const [mine, other] = i % 2 === 0 ? ["ann", "bob"] : ["bob", "ann"];
      expect(textOf(answer)).toContain(`I am ${mine}`);
      expect(textOf(answer)).not.toContain(other);
    }
    expect(ann.asked).toHaveLength(8);
    expect(bob.asked).toHaveLength(8);
    expect(JSON.stringify(ann.asked)).not.toContain("bob");
    expect(JSON.stringify(bob.asked)).not.toContain("ann");
  });

  it("brings each the progress, logs and updates of its own calls alone", async () => {
    await Promise.all([ann.watch(["odd://ann"]), bob.watch(["odd://bob"])]);
    await Promise.all([ann.logs("debug"), bob.logs("debug")]);
    const progress: Record<string, unknown[]> = { ann: [], bob: [] };
    const chatter = (agent: Agent, word: string) =>
      agent.call(
        "odd__chatter",
        { word },
        { onprogress: (p) => void progress[word]?.push((p as { message?: string }).message) },
      );
    for (let i = 0; i < 3; i++) await Promise.all([chatter(ann, "ann"), chatter(bob, "bob")]);
    for (const [agent, word] of [
      [ann, "ann"],
      [bob, "bob"],
    ] as const) {
      await until(`the update of ${word}`, () =>
        agent.heard.some((n) => n.method === "notifications/resources/updated"),
      );
      await until(`the logs of ${word}`, () => agent.heard.some((n) => n.method === "notifications/message"));
      const said = agent.heard.map(
        (n) =>
          String(n.params["uri"] ?? n.params["data"])
            .replace("odd://", "")
            .split(" ")[0],
      );
      expect(new Set(said)).toEqual(new Set([word]));
      expect(new Set(progress[word])).toEqual(new Set([word]));
    }
  });
});

describe("log messages", () => {
  it("reach a stateless client only where its request asks for them, and from the level it asks for", async () => {
    const agent = await agentOf(brokers.own as Broker, "2.x client, modern", "ann", "");
    const logs = () => agent.heard.filter((n) => n.method === "notifications/message");
    await agent.call("odd__chatter", { word: "quiet" });
    await agent.logs("warning");
    await agent.call("odd__chatter", { word: "still quiet" });
    await agent.logs("info");
    await agent.call("odd__chatter", { word: "loud" });
    await until("the logs", () => logs().length === 3);
    expect(logs().map((n) => n.params["data"])).toEqual(["loud 1", "loud 2", "loud 3"]);
    await agent.close();
  });
});

describe("a connection that agents share", () => {
  it("brings updates to those who watch, progress to the caller, and logs to nobody", async () => {
    const shared = brokers.shared as Broker;
    const [ann, bob, idle] = await Promise.all([
      agentOf(shared, KINDS[0], "ann", ""),
      agentOf(shared, KINDS[2], "bob", ""),
      agentOf(shared, KINDS[1], "bob", "", { user: "carl" }),
    ]);
    await Promise.all([ann.watch(["odd://ann"]), bob.watch(["odd://bob"]), ann.logs("debug"), bob.logs("debug")]);
    const seen: unknown[] = [];
    await Promise.all([
      ann.call(
        "odd__chatter",
        { word: "ann" },
        { onprogress: (p) => void seen.push((p as { message?: string }).message) },
      ),
      bob.call("odd__chatter", { word: "bob" }),
    ]);
    await until("the updates", () => ann.heard.length > 0 && bob.heard.length > 0);
    expect(new Set(seen)).toEqual(new Set(["ann"]));
    expect(new Set(ann.heard.map((n) => `${n.method} ${String(n.params["uri"])}`))).toEqual(
      new Set(["notifications/resources/updated odd://ann"]),
    );
    expect(new Set(bob.heard.map((n) => `${n.method} ${String(n.params["uri"])}`))).toEqual(
      new Set(["notifications/resources/updated odd://bob"]),
    );
    expect(idle.heard).toEqual([]);
    await Promise.all([ann.close(), bob.close(), idle.close()]);
  });
});

describe("a session of another", () => {
  it("is not found: not to call in, not to listen to, not to end", async () => {
    const broker = brokers.own as Broker;
    const [ann, bob, annForEve] = await Promise.all([
      broker.token("ann"),
      broker.token("bob"),
      broker.token("ann", { user: "eve" }),
    ]);
    const session = await openSession(broker.url, ann);
    const call = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "odd__pid", arguments: {} } };
    const before = ran(folder, "own").length;
    for (const token of [bob, annForEve]) {
      for (const [method, body] of [
        ["POST", call],
        ["GET", undefined],
        ["DELETE", undefined],
      ] as const) {
        const theirs = await send(broker.url, headersFor(token, { "mcp-session-id": session }), body, method);
        const none = await send(broker.url, headersFor(token, { "mcp-session-id": "mcp_0000000000" }), body, method);
        expect(theirs.status).toBe(404);
        // Nothing tells a session of somebody else's from one that never was.
        expect(theirs.body).toBe(none.body);
      }
    }
    expect(ran(folder, "own")).toHaveLength(before);
    const mine = await send(
      broker.url,
      headersFor(ann, { "mcp-session-id": session, "mcp-protocol-version": LEGACY_VERSION }),
      call,
    );
    expect(mine.messages[0]?.result).toHaveProperty("content");
  });

  it("is gone for its owner too once it is ended", async () => {
    const broker = brokers.own as Broker;
    const token = await broker.token("ann");
    const session = await openSession(broker.url, token);
    const headers = headersFor(token, { "mcp-session-id": session });
    expect((await send(broker.url, headers, undefined, "DELETE")).status).toBe(200);
    expect((await send(broker.url, headers, { jsonrpc: "2.0", id: 2, method: "ping" })).status).toBe(404);
  });
});

describe.each(KINDS)("scopes: %s", (kind) => {
  it("show and allow the tools whose scopes the token has, all of them", async () => {
    const broker = brokers.own as Broker;
    const narrow = { scopes: ["odd:ann"] };
    const wide = await agentOf(broker, kind, "ann", "");
    const few = await agentOf(broker, kind, "ann", "", narrow);
    const bob = await agentOf(broker, kind, "bob", "");
    const listed = async (agent: Agent) =>
      ((await agent.request("tools/list", {})) as { tools: { name: string }[] }).tools.map((t) => t.name);
    const scoped = ["odd__echo", "odd__same", "odd__turn"];
    const shown = async (agent: Agent) => (await listed(agent)).filter((name) => scoped.includes(name));
    expect(await shown(wide)).toEqual(["odd__echo", "odd__same", "odd__turn"]);
    expect(await shown(few)).toEqual(["odd__same"]);
    expect(await shown(bob)).toEqual(["odd__echo"]);
    for (const agent of [wide, few, bob]) {
      const mine = await shown(agent);
      for (const name of scoped) {
        const rule = ruleOf(await agent.call(name, { text: "x" }));
        expect([name, rule]).toEqual([name, mine.includes(name) ? undefined : "callgate/missing-scope"]);
      }
    }
    const denied = recordsIn(broker.data, { kind: ["denial"], agent: "bob" }).at(-1);
    expect(denied?.error).toMatchObject({
      code: "callgate/missing-scope",
      message: "`odd__turn` needs the scope `odd:ann`",
    });
    await Promise.all([wide.close(), few.close(), bob.close()]);
  });
});
