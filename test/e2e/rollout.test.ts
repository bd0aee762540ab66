import { afterAll, beforeAll, expect, it } from "vitest";
import { connect, ruleOf, textOf } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { writeVault } from "../support/vault.ts";

const forbid = (id: string, tool: string, more: object) => ({
  id,
  effect: "forbid",
  tools: [`vault__${tool}`],
  reason: `${id} says no`,
  ...more,
});

const folder = makeFolder("rollout");
let broker: Broker;

beforeAll(async () => {
  const config = writeVault(
    folder,
    ["watched", "tried", "shut", "canary", "many", "returned"],
    [
      { id: "all", effect: "permit", tools: ["*"] },
      forbid("never", "shut", {}),
      forbid("watch", "watched", { mode: "observe" }),
      forbid("watch-fails", "watched", { mode: "observe", when: "size(args.text) > 100" }),
      forbid("try", "tried", { mode: "shadow", when: 'has(args.text) && args.text == "x"' }),
      { id: "try-shut", effect: "ask", tools: ["vault__shut"], mode: "shadow", reason: "would ask" },
      forbid("watch-shut", "shut", { mode: "observe" }),
      forbid("new", "canary", { canary: ["beta*"] }),
      ...Array.from({ length: 60 }, (_, i) => forbid(`long-${"x".repeat(55)}-${i}`, "many", { mode: "observe" })),
      ...Array.from({ length: 60 }, (_, i) => forbid(`lang-${"x".repeat(55)}-${i}`, "many", { mode: "shadow" })),
      forbid("block", "returned", { phase: "result", mode: "shadow", when: "result.bytes > 200" }),
      {
        id: "mask",
        effect: "permit",
        phase: "result",
        mode: "observe",
        tools: ["vault__returned"],
        obligations: [{ kind: "redact", path: "$.content[*].text" }],
      },
    ],
  );
  broker = await startBroker(config);
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

/** Calls a tool and gives the answer with the records of the call. */
async function call(name: string, args: Record<string, unknown> = {}, as = "ann") {
  const agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token(as) });
  const before = newestIn(broker.data);
  const result = await agent.call(`vault__${name}`, args);
  await callsAfter(broker.data, before);
  await agent.close();
  const records = recordsIn(broker.data, { after: before });
  const trialOf = (kind: string) => records.find((r) => r.kind === kind)?.detail?.["trial"];
  return { result, trialOf };
}

it("a policy in `observe` is recorded and stops nothing, not even when it fails", async () => {
  const { result, trialOf } = await call("watched");
  expect(textOf(result)).toBe("{}");
  expect(trialOf("intent")).toEqual({ observed: ["watch", "watch-fails"] });
  expect(trialOf("outcome")).toBeUndefined();
});

it("a policy in `shadow` is recorded where it would have made a difference", async () => {
  const differs = await call("tried", { text: "x" });
  expect(textOf(differs.result)).toBe('{"text":"x"}');
  expect(differs.trialOf("intent")).toEqual({ observed: [], shadow: { verdict: "deny", rules: ["try"] } });
  const same = await call("tried", { text: "y" });
  expect(same.trialOf("intent")).toBeUndefined();
});

it("a denial tells of policies on trial too", async () => {
  const { result, trialOf } = await call("shut");
  expect(ruleOf(result)).toBe("never");
  // The ask would not have changed it: a forbid wins.
  expect(trialOf("denial")).toEqual({ observed: ["watch-shut"] });
});

it("a canary is enforced for its agents, and in shadow for everyone else", async () => {
  const other = await call("canary", {}, "ann");
  expect(other.result.isError).toBeFalsy();
  expect(other.trialOf("intent")).toEqual({ observed: [], shadow: { verdict: "deny", rules: ["new"] } });
  const beta = await call("canary", {}, "beta");
  expect(ruleOf(beta.result)).toBe("new");
  expect(textOf(beta.result)).toContain("new says no");
  expect(beta.trialOf("denial")).toBeUndefined();
});

it("a great number of them is cut to what a record holds, and the call goes on", async () => {
  const { result, trialOf } = await call("many");
  expect(result.isError).toBeFalsy();
  const trial = trialOf("intent") as { observed: string[]; shadow: { verdict: string; rules: string[] } };
  expect(trial.shadow.verdict).toBe("deny");
  expect(trial.observed.length).toBeGreaterThan(10);
  expect(trial.observed[0]).toMatch(/^long-x+-0$/);
  expect(trial.shadow.rules[0]).toMatch(/^lang-x+-0$/);
});

it("result policies on trial are recorded with the outcome, and the result is seen as it came", async () => {
  const short = await call("returned", { text: "short" });
  expect(textOf(short.result)).toBe('{"text":"short"}');
  expect(short.trialOf("outcome")).toEqual({ observed: ["mask"] });
  const long = await call("returned", { text: "x".repeat(300) });
  expect(long.result.isError).toBeFalsy();
  expect(long.trialOf("outcome")).toEqual({ observed: ["mask"], shadow: { verdict: "block", rules: ["block"] } });
});

it("`policy explain` names the mode of a rule that is not enforced", async () => {
  const before = newestIn(broker.data);
  await call("tried", { text: "x" });
  const [intent] = recordsIn(broker.data, { after: before, kind: ["intent"] });
  const explained = await callgate(
    "policy",
    "explain",
    "--record",
    String(intent?.seq),
    "--json",
    "--config",
    broker.config,
  );
  const rules = (JSON.parse(explained.lines.join("\n")) as { rules: { rule: string; mode?: string }[] }).rules;
  expect(rules.map(({ rule, mode }) => [rule, mode])).toEqual([
    ["all", undefined],
    ["try", "shadow"],
  ]);
});
