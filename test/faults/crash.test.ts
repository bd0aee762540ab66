import type { LedgerRecord } from "@callgate/core";
import { openReader } from "@callgate/ledger";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { connect, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, CLI, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, recordsIn, verify } from "../support/ledger.ts";
import { ran, starts, writeOdd } from "../support/odd/setup.ts";
import { runs, type StartOptions, startNode } from "../support/process.ts";
import { until } from "../support/until.ts";
import { callModern } from "../support/wire.ts";

const folder = makeFolder();
const running: Broker[] = [];

async function start(config: string, options?: StartOptions): Promise<Broker> {
  const broker = await startBroker(config, options);
  running.push(broker);
  return broker;
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((broker) => broker.stop()));
});
afterAll(() => folder.remove());

/** Intents and the outcomes that belong to them. */
function pairsIn(data: string): { intent: LedgerRecord; outcomes: LedgerRecord[] }[] {
  const records: LedgerRecord[] = [];
  for (let page = recordsIn(data); page.length > 0; page = recordsIn(data, { after: records.at(-1)?.seq ?? 0 }))
    records.push(...page);
  return records
    .filter((r) => r.kind === "intent")
    .map((intent) => ({ intent, outcomes: records.filter((r) => r.kind === "outcome" && r.call === intent.call) }));
}

/** The text that each call of `odd__echo` was asked to repeat, by the intent's number. */
function textsIn(data: string, pairs: readonly { intent: LedgerRecord }[]): Map<number, string> {
  const reader = openReader(data);
  try {
    const argsOf = ({ intent }: { intent: LedgerRecord }) => reader.show(intent.seq)?.payloads["args"] ?? "{}";
    return new Map(pairs.map((pair) => [pair.intent.seq, (JSON.parse(argsOf(pair)) as { text: string }).text]));
  } finally {
    reader.close();
  }
}

/** Calls `odd__echo` without a pause until the broker is gone; gives the texts whose answers arrived. */
async function pour(broker: Broker, token: string, name: string): Promise<string[]> {
  const answered: string[] = [];
  for (let i = 1; ; i++) {
    const text = `${name} ${i}`;
    try {
      const answer = await callModern(broker.url, token, "odd__echo", { text }, i);
      if (JSON.stringify(answer.result).includes(`echo: ${text}`)) answered.push(text);
    } catch {
      return answered;
    }
  }
}

describe("a broker that is killed under load", () => {
  it("has the intent of every call it answered, closes the open ones as unknown, and runs nothing again", async () => {
    const config = writeOdd(folder, {}, "killed");
    const broker = await start(config);
    const token = await broker.token("ann");
    const pouring = ["a", "b", "c", "d"].map((name) => pour(broker, token, name));
    const stuck = callModern(broker.url, token, "odd__slow", { ms: 60_000 }).catch(() => undefined);
    await until(
      "calls to run",
      () => ran(folder, "killed").length > 200 && ran(folder, "killed").some((r) => r.name === "slow"),
    );
    broker.process.signal("SIGKILL");
    expect(await broker.process.ended).toBe("SIGKILL");
    const answered = (await Promise.all(pouring)).flat();
    await stuck;
    expect(answered.length).toBeGreaterThan(100);

    await until("the servers to end with their broker", () => starts(folder, "killed").every((pid) => !runs(pid)));
    const before = ran(folder, "killed");
    const again = await start(config);
    expect(verify(again.data)).toMatchObject({ ok: true, findings: [] });
    const pairs = pairsIn(again.data);
    const texts = textsIn(again.data, pairs);
    const intended = new Set(texts.values());
    expect(answered.filter((text) => !intended.has(text))).toEqual([]);
    // What ran had an intent: the server's own count is never above the ledger's.
    expect(before.length).toBeLessThanOrEqual(pairs.length);

    expect(pairs.filter((p) => p.outcomes.length !== 1)).toEqual([]);
    const open = pairs.filter((p) => p.outcomes[0]?.status === "unknown");
    expect(open.map((p) => p.intent.tool?.name)).toContain("slow");
    const answers = new Set(answered);
    expect(pairs.filter((p) => p.outcomes[0]?.status !== "unknown" && p.outcomes[0]?.status !== "ok")).toEqual([]);
    expect(open.filter((p) => answers.has(texts.get(p.intent.seq) as string)).length).toBeLessThan(answered.length);

    // The new run answers, and what was open has not been run again.
    expect((await callModern(again.url, token, "odd__echo", { text: "after" })).result).toMatchObject({
      content: [{ text: "echo: after" }],
    });
    expect(ran(folder, "killed").slice(before.length)).toMatchObject([{ name: "echo" }]);
  });
});

describe("a server that is killed", () => {
  it("fails the calls on their way, and is started again with a growing delay", async () => {
    const broker = await start(writeOdd(folder, {}, "server"));
    const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
    for (let round = 1; round <= 3; round++) {
      const pid = Number(
        textOf(
          await until("the server", async () => {
            const result = await agent.call("odd__pid");
            return ruleOf(result) === undefined && result;
          }),
        ),
      );
      const slow = ran(folder, "server").filter((r) => r.name === "slow").length;
      const call = agent.call("odd__slow", { ms: 60_000 });
      await until("the call to run", () => ran(folder, "server").filter((r) => r.name === "slow").length > slow);
      process.kill(pid, "SIGKILL");
      const failed = await call;
      expect(ruleOf(failed)).toBe("callgate/unreachable");
      expect(textOf(failed)).toMatch(/the connection to the server was lost: the server exited on SIGKILL/);
    }
    const delays = broker.process.lines.map((line) => /"retryMs":(\d+)/.exec(line)?.[1]).filter((d) => d !== undefined);
    expect(delays).toEqual(["200", "400", "800"]);
    const last = (await callsAfter(broker.data, 0)).filter((c) => c.intent.tool?.name === "slow");
    expect(last.map((c) => c.outcome.error?.code)).toEqual(Array(3).fill("callgate/unreachable"));
    await agent.close();
  });

  it("fails the call in which it ends by itself, in words a model can use", async () => {
    const broker = await start(writeOdd(folder, {}, "dies"));
    const agent = await connect("1.x client", { url: broker.url, token: await broker.token("ann") });
    const died = await agent.call("odd__die");
    expect(died.isError).toBe(true);
    expect(textOf(died)).toMatch(
      /The call failed: .*the server exited with status 7.*\nWhat to do: try again in a moment/,
    );
    await agent.close();
  });
});

describe("a ledger that cannot be written", () => {
  it("refuses every call from then on, and none of them runs", async () => {
    const broker = await start(writeOdd(folder, {}, "full"), { fileBlocks: 1000 });
    const token = await broker.token("ann");
    const text = "x".repeat(20_000);
    let refused: unknown;
    let answered = 0;
    for (let i = 1; refused === undefined && i < 500; i++) {
      const { result } = await callModern(broker.url, token, "odd__echo", { text: `${i} ${text}` }, i);
      if (result?.["isError"]) refused = result;
      else answered++;
    }
    expect(answered).toBeGreaterThan(3);
    expect(JSON.stringify(refused)).toContain("callgate/ledger-unavailable");
    const before = ran(folder, "full").length;
    expect(before).toBe(answered);
    for (let i = 0; i < 5; i++) {
      const { result } = await callModern(broker.url, token, "odd__echo", { text: "small" });
      expect(result).toMatchObject({
        isError: true,
        _meta: { "io.callgate/denial": { rule: "callgate/ledger-unavailable" } },
      });
    }
    expect(ran(folder, "full").length).toBe(before);
    expect(broker.process.lines.join("\n")).toContain("the ledger failed: every call is refused from now on");
  });
});

describe("Ctrl-C", () => {
  it("ends calls, servers and what they started, and exits with 0", async () => {
    const broker = await start(writeOdd(folder, {}, "stopped"));
    const token = await broker.token("ann");
    const { result } = await callModern(broker.url, token, "odd__breed", {});
    const grandchild = Number((result as { content: { text: string }[] }).content[0]?.text);
    expect(runs(grandchild)).toBe(true);
    const slow = callModern(broker.url, token, "odd__slow", { ms: 60_000 }).catch(() => undefined);
    await until("the call to run", () => ran(folder, "stopped").some((r) => r.name === "slow"));

    broker.process.signal("SIGINT");
    expect(await broker.process.ended).toBe(0);
    await slow;
    expect(starts(folder, "stopped").length).toBeGreaterThan(0);
    await until("the servers and their children to be gone", () =>
      [...starts(folder, "stopped"), grandchild].every((pid) => !runs(pid)),
    );
    expect(verify(broker.data).ok).toBe(true);
    expect(pairsIn(broker.data).map((p) => [p.intent.tool?.name, p.outcomes.map((o) => o.status)])).toEqual([
      ["breed", ["ok"]],
      ["slow", ["cancelled"]],
    ]);
  });
});

describe("a second broker on the same data folder", () => {
  it("is refused while the first runs, which goes on", async () => {
    const config = writeOdd(folder, {}, "twice");
    const broker = await start(config);
    const second = startNode([CLI, "serve", "--config", config]);
    expect(await second.ended).toBe(1);
    expect(second.lines.join("\n")).toMatch(/error: .*(another|in use|locked|open)/i);
    const { result } = await callModern(broker.url, await broker.token("ann"), "odd__echo", { text: "still here" });
    expect(result).toMatchObject({ content: [{ text: "echo: still here" }] });
    // Whoever was refused has started no server of its own that still runs.
    await until("one server", () => starts(folder, "twice").filter(runs).length === 1);
  });
});
