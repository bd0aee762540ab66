import { join } from "node:path";
import { digestOf } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, onTestFinished, test } from "vitest";
import { emptyFolder } from "./run.ts";
import { incidentStory, laterPolicies, PASSWORD, STRANGER } from "./story.ts";

const MAIN = join(import.meta.dirname, "..", "dist", "main.js");

interface Reviewer {
  tools(): Promise<
    readonly { readonly name: string; readonly annotations?: unknown; readonly outputSchema?: unknown }[]
  >;
  /** The structured content, and all of the answer as text. */
  ask(
    name: string,
    args: Record<string, unknown>,
  ): Promise<{ readonly told: unknown; readonly text: string; readonly error: boolean }>;
}

/** A real client with a real server process. */
async function reviewer(...args: string[]): Promise<Reviewer> {
  const client = new Client({ name: "reviewer", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args: [MAIN, "ledger", "mcp", ...args], stderr: "inherit" }),
  );
  onTestFinished(() => client.close());
  return {
    tools: async () => (await client.listTools()).tools,
    async ask(name, given) {
      const result = await client.callTool({ name, arguments: given });
      return { told: result.structuredContent, text: JSON.stringify(result), error: result.isError === true };
    },
  };
}

test("every tool looks and changes nothing, and says what it answers", async () => {
  const { tools } = await reviewer("--data", await incidentStory());
  const listed = await tools();
  expect(listed.map((tool) => tool.name).sort()).toEqual([
    "call_tree",
    "open_incident",
    "query_records",
    "session_timeline",
    "show_record",
    "stats",
    "verify",
  ]);
  for (const tool of listed) {
    expect(tool.annotations).toEqual({
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    });
    expect(tool.outputSchema).toMatchObject({ type: "object" });
  }
});

test("an incident is reviewed without its payloads: what went where is told, and no text of it", async () => {
  const { ask } = await reviewer("--data", await incidentStory(), "--config", await laterPolicies());
  const answers = [
    await ask("open_incident", { session: "ses_1" }),
    await ask("session_timeline", { session: "ses_1" }),
    await ask("show_record", { seq: 6 }),
    await ask("query_records", { query: "session:ses_1" }),
  ];
  for (const { text, error } of answers) {
    expect(error).toBe(false);
    expect(text).not.toContain(STRANGER);
    expect(text).not.toContain(PASSWORD);
  }
  expect(answers[0]?.told).toMatchObject({
    reads: [{ tool: "mail__read_inbox" }, { tool: "vault__read_secret" }],
    reached: [
      {
        tool: "mail__send_mail",
        labels: ["untrusted", "private", "secret"],
        untrusted: {
          values: [
            { argument: "body", from: [{ tool: "vault__read_secret", seqs: [5] }] },
            { argument: "to[0]", from: [{ tool: "mail__read_inbox", seqs: [3] }] },
          ],
        },
      },
    ],
    today: {
      known: true,
      same: 2,
      changed: [{ seq: 6, then: "allow", now: "deny", rules: ["secrets-stay"] }, { seq: 8 }],
    },
    related: [{ session: "ses_2", untrusted: { indicators: [{ kind: "address", acted: true, seqs: [9] }] } }],
  });
  expect(answers[2]?.told).toMatchObject({ untrusted: { payloads: [{ state: "withheld" }, { state: "withheld" }] } });
  const words = await ask("query_records", { query: `text:"${PASSWORD}"` });
  expect([words.error, words.text]).toEqual([true, expect.stringContaining("may not be searched")]);
});

test("texts of others come marked as such, with nothing hidden in them", async () => {
  const { ask } = await reviewer("--data", await incidentStory(), "--payloads");
  const { told } = await ask("show_record", { seq: 6 });
  expect(told).toMatchObject({
    record: { tool: "mail__send_mail", verdict: "allow" },
    untrusted: {
      payloads: expect.arrayContaining([
        {
          name: "args",
          state: "open",
          length: expect.any(Number),
          text: expect.stringContaining(STRANGER),
          more: false,
        },
      ]),
    },
  });
  const found = await ask("query_records", { query: "kind:denial" });
  expect(found.told).toEqual({
    records: [
      expect.objectContaining({
        tool: "files__delete_file",
        untrusted: { message: "files stay\\u{1b}[2J where they are" },
      }),
    ],
  });
  const tree = await ask("call_tree", { call: "call_3" });
  expect(tree.told).toMatchObject({
    calls: [
      { call: "call_2", depth: 0 },
      { call: "call_3", depth: 1 },
    ],
  });
});

test("answers have an end, and go on where they are asked to", async () => {
  const { ask } = await reviewer("--data", await incidentStory());
  const first = (await ask("query_records", { limit: 2, order: "oldest" })).told as {
    records: { seq: number }[];
    next?: number;
  };
  expect(first).toMatchObject({ records: [{ seq: 1 }, { seq: 2 }], next: 2 });
  expect((await ask("query_records", { limit: 2, order: "oldest", after: 2 })).told).toMatchObject({
    records: [{ seq: 3 }, { seq: 4 }],
  });
  expect((await ask("stats", { newest: 3 })).told).toMatchObject({ records: 3, whole: false });
  expect((await ask("stats", {})).told).toMatchObject({ calls: 6, run: 5, denied: 1, whole: true });
  expect((await ask("query_records", { limit: 1000 })).error).toBe(true);
});

test("what was asked for wrongly is answered with what to ask for", async () => {
  const { ask } = await reviewer("--data", await incidentStory());
  const wrong = await ask("query_records", { query: "verdct:deny" });
  expect([wrong.error, wrong.text]).toEqual([true, expect.stringContaining("did you mean `verdict`?")]);
  expect((await ask("session_timeline", { session: "ses_9" })).text).toContain("there is no such session");
  expect((await ask("open_incident", {})).text).toContain("give either `session` or `call`");
});

test("what a server said of a failure is told with payloads, and without them not", async () => {
  const folder = await emptyFolder();
  const ledger = await openLedger({ folder });
  const common = { agent: "ann", session: "ses_1", call: "call_1" };
  const result = '{"code":-32000,"message":"no room for hunter2"}';
  await ledger.append({ ...common, kind: "intent", payloads: { args: "{}" } });
  const error = { code: "wire/-32000", message: "the server answered with an error" };
  await ledger.append({
    ...common,
    kind: "outcome",
    status: "error",
    error,
    result: digestOf(result),
    payloads: { result },
  });
  await ledger.close();
  for (const payloads of [[], ["--payloads"]]) {
    const { ask } = await reviewer("--data", folder, ...payloads);
    const { text } = await ask("session_timeline", { session: "ses_1" });
    expect(text.includes("no room for hunter2")).toBe(payloads.length > 0);
    expect(text.includes(error.message)).toBe(payloads.length === 0);
    expect((await ask("query_records", { query: "status:error" })).text).not.toContain("hunter2");
  }
});
