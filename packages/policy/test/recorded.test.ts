import type { LedgerRecord } from "@callgate/core";
import { expect, it } from "vitest";
import { decisionOf, Rollout, recordedCall } from "../src/index.ts";

const FLOW = { origins: { a: ["untrusted"] }, inside: {}, sources: { a: "call_1" }, action: "model" };
const FACTS = {
  principal: { agent: "bot", roles: [], scopes: [] },
  tool: { qualified: "mail__send", operation: "tools/call", scopes: [], effects: ["write"], labels: [] },
  session: { id: "s", labels: [], calls: 0, cost: 0, started: 0 },
  loop: { repeats: 1, period: 0, sameResult: false },
  budget: { callsLeft: -1, costLeft: -1 },
  flow: FLOW,
  time: 1,
};
const record = (more: object) =>
  ({ kind: "intent", seq: 1, ts: "", tool: { server: "mail", name: "send", digest: "sha256:0" }, ...more }) as never;

function replayed(facts: object) {
  const payloads = { args: '{"to":"a"}', facts: JSON.stringify({ ...FACTS, ...facts }) };
  return recordedCall(record({}), payloads, new Map());
}

it("takes facts of the form that it writes", () => {
  expect(replayed({})).toMatchObject({ call: { args: { to: "a" }, flow: FLOW } });
  expect(replayed({ flow: { origins: {}, inside: {}, action: "task" } })).toHaveProperty("call");
});

it.each([
  ["origins that are no list", { flow: { ...FLOW, origins: { a: 7 } } }],
  ["origins that are no texts", { flow: { ...FLOW, origins: { a: [7] } } }],
  ["an inside that is no list", { flow: { ...FLOW, inside: { a: "b" } } }],
  ["sources that are no texts", { flow: { ...FLOW, sources: { a: ["call_1"] } } }],
  ["sources that are no mapping", { flow: { ...FLOW, sources: 1 } }],
  ["another action", { flow: { ...FLOW, action: "\u001b[2J" } }],
  ["no action", { flow: { origins: {}, inside: {} } }],
  ["roles that are no texts", { principal: { ...FACTS.principal, roles: [1] } }],
  ["labels that are no texts", { session: { ...FACTS.session, labels: [{}] } }],
])("does not decide on facts of another form: %s", (_, facts) => {
  expect(replayed(facts)).toEqual({ unreplayable: "the facts have a form that this version does not know" });
});

it.each([7, {}, { verdict: "allow", rules: 7, policies: "p" }, { verdict: "allow", rules: [7], policies: "p" }])(
  "takes no decision from what is none: %j",
  (decision) => {
    expect(decisionOf(record({ decision }))).toBeUndefined();
    const rollout = new Rollout(({ kind }: LedgerRecord) => kind, 1);
    rollout.add(record({ decision }));
    rollout.add(record({ kind: "approval", call: "c", decision }));
    expect(rollout.report().calls.decided).toBe(0);
  },
);

it("decides on what the agent sent, where a policy changed what went to the server", () => {
  const changed = record({ detail: { changed: true } });
  const payloads = (facts: object) => ({ args: '{"to":"b"}', facts: JSON.stringify({ ...FACTS, ...facts }) });
  const asked = recordedCall(changed, payloads({ asked: '{"to":"a"}' }), new Map());
  expect(asked).toMatchObject({ call: { args: { to: "a" } } });
  expect(asked).not.toHaveProperty("call.asked");
  // What was taken out is kept nowhere: the arguments that went to the server are no stand-in for it.
  expect(recordedCall(changed, payloads({}), new Map())).toEqual({
    unreplayable: "the arguments were not kept as the agent sent them",
  });
});
