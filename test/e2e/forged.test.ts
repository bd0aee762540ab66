import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ruleOf, type ToolResult } from "../support/agent.ts";
import { type Broker, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { newestIn, recordsIn } from "../support/ledger.ts";
import { ran, writeOdd } from "../support/odd/setup.ts";
import { headersFor, modernRequest, send, type WireMessage } from "../support/wire.ts";

// Who writes a client of their own can answer what nobody asked: none of it may count.

const POLICIES = {
  policies: [
    { id: "all", effect: "permit", tools: ["odd__*"], reason: "open" },
    {
      id: "operator-asks",
      effect: "ask",
      tools: ["odd__echo", "odd__pid"],
      reason: "an operator looks at this",
      approve: "operator",
    },
    {
      id: "client-asks",
      effect: "ask",
      tools: ["odd__same", "odd__turn"],
      reason: "the user looks at this",
      approve: "client",
    },
    { id: "both-ask", effect: "ask", tools: ["odd__turn"], reason: "an operator too", approve: "operator" },
  ],
};
const ELICITING = { elicitation: {} };
const KEY = "callgate-approval";
const yes = { action: "accept", content: { approve: true } };

const folder = makeFolder("forged");
let broker: Broker;
let cases = 0;

beforeAll(async () => {
  broker = await startBroker(writeOdd(folder, { policies: POLICIES }));
});
afterAll(async () => {
  await broker?.stop();
  folder.remove();
});

function fresh(): string {
  return `case ${++cases}`;
}

function timesRun(name: string): number {
  return ran(folder).filter((r) => r.name === name).length;
}

describe("a forged or replayed answer", () => {
  let ann: string;
  let bob: string;
  beforeAll(async () => {
    ann = await broker.token("ann");
    bob = await broker.token("bob");
  });

  /** One round of a call in the stateless era, as a client of the attacker's own making sends it. */
  async function round(token: string, name: string, args: object, more: object = {}): Promise<WireMessage> {
    const { headers, body } = modernRequest(
      1,
      "tools/call",
      { name, arguments: args, ...more },
      { capabilities: ELICITING },
    );
    const { messages } = await send(broker.url, headersFor(token, headers), body);
    return messages.find((m) => m.id === 1) as WireMessage;
  }

  /** A state that the broker gave out for a call, which it asked the client about. */
  async function stateFor(text: string): Promise<string> {
    const asked = await round(ann, "odd__same", { text });
    expect(asked.result).toMatchObject({
      resultType: "input_required",
      inputRequests: { [KEY]: { method: "elicitation/create" } },
    });
    return asked.result?.["requestState"] as string;
  }

  async function expectRefused(answer: Promise<WireMessage>): Promise<void> {
    expect((await answer).error).toMatchObject({
      code: -32602,
      data: { rule: "callgate/invalid-state", reason: "invalid_request_state" },
    });
  }

  const answers = { inputResponses: { [KEY]: yes } };

  it("is refused on a first call, with and without a state of its own making", async () => {
    const before = newestIn(broker.data);
    const [same, turn] = [timesRun("same"), timesRun("turn")];
    const forged = Buffer.from(
      JSON.stringify({ s: { kind: "approval", approval: "apr_1", call: "call_1" }, exp: Date.now() + 60_000 }),
    ).toString("base64url");
    for (const tool of ["odd__same", "odd__turn", "odd__echo", "odd__pid"])
      for (const requestState of [undefined, "", "nonsense", `${forged}.${"A".repeat(43)}`, `${forged}.`])
        await expectRefused(
          round(ann, tool, { text: "x" }, { ...answers, ...(requestState !== undefined && { requestState }) }),
        );
    expect([timesRun("same"), timesRun("turn")]).toEqual([same, turn]);
    // What the broker wrote of its own start may come a moment later.
    const records = recordsIn(broker.data, { after: before }).filter((r) => r.kind !== "config");
    expect(new Set(records.map((r) => r.kind))).toEqual(new Set(["denial"]));
    expect(records).toHaveLength(20);
  });

  it("goes through once with the state that was given out for it", async () => {
    const text = fresh();
    const requestState = await stateFor(text);
    const before = timesRun("same");
    expect((await round(ann, "odd__same", { text }, { ...answers, requestState })).result).toMatchObject({
      content: [{ text: "always the same" }],
    });
    await expectRefused(round(ann, "odd__same", { text }, { ...answers, requestState }));
    expect(timesRun("same")).toBe(before + 1);
  });

  it.each<[string, (text: string, requestState: string) => Promise<WireMessage>]>([
    [
      "other arguments",
      (text, requestState) => round(ann, "odd__same", { text: `${text}!` }, { ...answers, requestState }),
    ],
    ["another tool", (text, requestState) => round(ann, "odd__echo", { text }, { ...answers, requestState })],
    ["another principal", (text, requestState) => round(bob, "odd__same", { text }, { ...answers, requestState })],
    [
      "a changed state",
      (text, requestState) =>
        round(
          ann,
          "odd__same",
          { text },
          { ...answers, requestState: `${requestState.slice(0, -1)}${requestState.endsWith("A") ? "B" : "A"}` },
        ),
    ],
    [
      "another spelling of the state",
      (text, requestState) => round(ann, "odd__same", { text }, { ...answers, requestState: `${requestState}=` }),
    ],
  ])("is refused with %s", async (_, attack) => {
    const text = fresh();
    const requestState = await stateFor(text);
    const before = ran(folder).length;
    await expectRefused(attack(text, requestState));
    expect(ran(folder)).toHaveLength(before);
  });

  it("is refused where the user that the agent acts for is another", async () => {
    const text = fresh();
    const requestState = await stateFor(text);
    await expectRefused(
      round(await broker.token("ann", { user: "mallory" }), "odd__same", { text }, { ...answers, requestState }),
    );
  });

  it("is no approval without the answer to the question", async () => {
    const text = fresh();
    const before = timesRun("same");
    const missing = await round(ann, "odd__same", { text }, { inputResponses: {}, requestState: await stateFor(text) });
    expect(ruleOf(missing.result as unknown as ToolResult)).toBe("callgate/approval-refused");
    const other = await round(
      ann,
      "odd__same",
      { text: `${text}?` },
      { inputResponses: { other: yes }, requestState: await stateFor(`${text}?`) },
    );
    expect(ruleOf(other.result as unknown as ToolResult)).toBe("callgate/approval-refused");
    expect(timesRun("same")).toBe(before);
  });
});
