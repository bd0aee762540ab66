import { ApprovalStore } from "@callgate/gateway";
import { expect, it, onTestFinished } from "vitest";
import { connect } from "../support/agent.ts";
import { callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter } from "../support/ledger.ts";
import { writeOdd } from "../support/odd/setup.ts";
import { until } from "../support/until.ts";

const ALL = { id: "all", effect: "permit", tools: ["odd__*"] };
const POLICIES = {
  policies: [
    ALL,
    {
      id: "no-secrets",
      effect: "forbid",
      tools: ["odd__echo"],
      when: 'args.text.contains("secret")',
      reason: "secrets stay here",
    },
    { id: "ask-many", effect: "ask", tools: ["odd__echo"], when: "size(args.text) > 20", reason: "that is a lot" },
  ],
};

it("what a broker recorded is decided again as it was, and otherwise by other policies", async () => {
  const folder = makeFolder("simulate");
  onTestFinished(() => folder.remove());
  const config = writeOdd(folder, { policies: POLICIES, config: { approvals: { wait: "20s", ttl: "5m" } } });
  const broker = await startBroker(config);
  const operator = new ApprovalStore(broker.data);
  onTestFinished(async () => {
    operator.close();
    await broker.stop();
  });
  const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
  const answer = async (text: string, status: "approved" | "denied") => {
    const call = agent.call("odd__echo", { text });
    const held = await until("the call to be held", () =>
      operator.list("pending").find((a) => a.argsText.includes(text)),
    );
    operator.answer(held.id, status, "olga");
    await call;
  };
  await agent.call("odd__echo", { text: "bread" });
  await agent.call("odd__echo", { text: "a secret" });
  await answer("twenty-one characters and more, approved", "approved");
  await answer("twenty-one characters and more, refused", "denied");
  await agent.call("odd__echo", { txt: "does not fit the schema" });
  await agent.close();
  await callsAfter(broker.data, 0);

  const same = await simulated("--config", config);
  expect(same).toMatchObject({ code: 0, calls: 5, unchanged: 4, changed: 0, refused: 1, unreplayable: 0 });
  expect(same["recorded"]).toEqual([{ policies: same["candidate"], calls: 4 }]);

  const open = folder.write("open.yaml", { policies: [ALL] });
  const other = await simulated("--config", config, "--policies", open);
  expect(other).toMatchObject({ code: 1, calls: 5, unchanged: 1, changed: 3, failing: ["allowed"] });
  expect(other["groups"]).toMatchObject([
    { change: "allowed", was: "hold", rules: ["ask-many"], tool: "odd__echo", calls: 2 },
    { change: "allowed", was: "deny", rules: ["no-secrets"], tool: "odd__echo", calls: 1 },
  ]);
});

async function simulated(...args: string[]): Promise<Record<string, unknown>> {
  const { code, lines } = await callgate("policy", "simulate", "--json", ...args);
  return { code, ...(JSON.parse(lines.find((line) => line.startsWith("{")) ?? "{}") as object) };
}
