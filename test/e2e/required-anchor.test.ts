import { join } from "node:path";
import { openLedger, readCosigned } from "@callgate/ledger";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, textOf } from "../support/agent.ts";
import { type Broker, CLI, callgate, startBroker } from "../support/broker.ts";
import { setFailing } from "../support/failing.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { freePort, type Running, startNode } from "../support/process.ts";
import { until } from "../support/until.ts";

const folder = makeFolder("required-anchor");
const data = join(folder.path, "data");
let port: number;
let broker: Broker;
let witness: Running;
let witnessKey: string;

async function startWitness(): Promise<void> {
  const state = join(folder.path, "witness.json");
  witness = startNode([
    CLI,
    "witness",
    ...["--vkey", join(data, "ledger.vkey"), "--state", state, "--listen", `127.0.0.1:${port}`],
  ]);
  const line = await witness.line(/\+[0-9a-f]{8}\+/);
  witnessKey = /\S+\+[0-9a-f]{8}\+\S+/.exec(line)?.[0] as string;
}

beforeAll(async () => {
  port = await freePort();
  // The witness is told of the log before the broker runs.
  await (await openLedger({ folder: data })).close();
  await startWitness();
  folder.write("policies.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["*"] },
      { id: "ask", effect: "ask", tools: ["failing__hold"], reason: "somebody looks at it", approve: "operator" },
    ],
  });
  broker = await startBroker(
    folder.write("callgate.yaml", {
      version: 1,
      data: "data",
      http: { port: 0 },
      servers: { failing: setFailing(folder) },
      agents: { ann: { scopes: [] } },
      policies: ["policies.yaml"],
      budgets: { session: { calls: 1e6, callsPerMinute: 1e6, cost: 1e6, concurrent: 1e6 } },
      loop: { repeats: 1000, cycles: 1000 },
      log: { level: "error" },
      approvals: { wait: "1s", ttl: "10m" },
      ledger: {
        anchors: [{ to: `http://127.0.0.1:${port}`, required: true, vkey: witnessKey, lag: { time: "5s" } }],
      },
    }),
  );
});
afterAll(async () => {
  await broker.stop();
  await witness.stop();
  folder.remove();
});

describe("an anchor that is required", () => {
  it("keeps calls from running while it is gone for too long, and lets them run once it is back", async () => {
    const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
    let made = 0;
    const call = async (): Promise<string> =>
      textOf(await agent.call("failing__fail", { text: `a call, the ${++made}th` }));
    expect(await call()).toContain("was: a call");
    const held = async () => textOf(await agent.call("failing__hold", { text: "held" }));
    const [, approval = ""] = /approval (\S+)\)/.exec(await held()) ?? [];
    expect(await callgate("approvals", "approve", approval, "--config", broker.config)).toMatchObject({ code: 0 });
    await until("the witness to have signed all", () => readCosigned(data)[0]?.size === newestIn(data));

    await witness.stop();
    const before = newestIn(data);
    const refused = await until("a call to be refused", async () => {
      const text = await call();
      return !text.includes("was: a call") && text;
    });
    expect(refused).toContain("an anchor of the ledger is too far behind");
    // Each call that ran has an outcome, and the one that did not is on record as denied.
    const calls = await callsAfter(data, before);
    expect(calls.length).toBeGreaterThan(0);
    const denied = recordsIn(data, { after: before, kind: ["denial"] });
    expect(denied).toMatchObject([{ error: { code: expect.stringContaining("ledger") } }]);
    expect(await held()).toContain("an anchor of the ledger is too far behind");

    await startWitness();
    expect(await until("calls to run again", async () => (await call()).includes("was: a call"))).toBe(true);
    // What a person approved meanwhile was kept for it.
    expect(await held()).toContain("was: held");
    await agent.close();
  });

  it("has its signatures kept beside the ledger, where they are shown, checked, and go into evidence", async () => {
    const config = broker.config;
    const kept = await until("the witness to have signed all", () => {
      const [one] = readCosigned(data);
      return one?.size === newestIn(data) && one;
    });
    expect(kept).toMatchObject({ anchor: `http://127.0.0.1:${port}`, by: [{ name: "callgate-witness" }] });
    const shown = await callgate("ledger", "anchors", "--config", config);
    expect(shown.lines.join("\n")).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}.* ${kept.size} .*callgate-witness`));

    const [call] = await callsAfter(data, 0);
    const out = join(folder.path, "bundle");
    const exported = await callgate(
      "incident",
      "export",
      "--session",
      call?.intent.session ?? "",
      "--out",
      out,
      "--config",
      config,
    );
    expect(exported.lines.join("\n")).toContain("clean");
    const check = async (...args: string[]) => {
      const { code, lines } = await callgate("ledger", "verify", "--data", data, ...args);
      return { code, text: lines.join("\n") };
    };
    const verify = new URL("../../packages/verify/src/main.ts", import.meta.url).pathname;
    const bundle = startNode([verify, "--bundle", out, "--witness-vkey", witnessKey]);
    expect(await bundle.ended).toBe(0);
    expect(bundle.lines.join("\n")).toContain("signed by `callgate-witness`");
    const signed = await check("--witness-vkey", witnessKey);
    expect(signed).toMatchObject({ code: 0, text: expect.stringContaining("signed by `callgate-witness`") });
    expect((await check()).text).toContain("give its key with --witness-vkey");
  });
});
