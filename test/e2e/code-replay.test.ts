import { readFileSync } from "node:fs";
import { ApprovalStore } from "@callgate/gateway";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Agent, connect } from "../support/agent.ts";
import { type Broker, callgate, startBroker } from "../support/broker.ts";
import { makeFolder } from "../support/folder.ts";
import { callsAfter, newestIn, recordsIn } from "../support/ledger.ts";
import { approveNext, bodyOf, runScript } from "../support/script.ts";
import { setTalker } from "../support/talker.ts";

const folder = makeFolder("code-replay");
let broker: Broker;
let operator: ApprovalStore;
let agent: Agent;
let heard: string;
let settings: Record<string, unknown>;

/** Policies as they were when the scripts ran. */
const THEN = [
  { id: "all", effect: "permit", tools: ["*"] },
  {
    id: "at-most",
    effect: "permit",
    tools: ["talker__write"],
    obligations: [{ kind: "clamp", path: "$.limit", max: 10 }],
  },
  {
    id: "not-eve",
    effect: "forbid",
    tools: ["talker__write"],
    when: 'has(args.to) && args.to == "eve"',
    reason: "not to eve",
  },
  { id: "look", effect: "ask", tools: ["talker__held"], reason: "an operator looks at this" },
];

beforeAll(async () => {
  const talker = setTalker(folder, {
    write: { effects: ["write"] },
    held: { effects: ["destructive"] },
    say: { effects: ["read"], labels: ["untrusted"] },
    hidden: { effects: ["read"], scopes: ["secret:read"] },
  });
  heard = talker.heard;
  folder.write("policies.yaml", { policies: THEN });
  settings = {
    version: 1,
    data: "data",
    http: { port: 0 },
    servers: { talker: talker.server },
    agents: { ann: { scopes: ["code:run"] } },
    policies: ["policies.yaml"],
    approvals: { wait: "1s", ttl: "5m" },
    code: { budgets: { calls: 20, writes: 4, wall: "20s" } },
  };
  broker = await startBroker(folder.write("callgate.yaml", settings));
  operator = new ApprovalStore(broker.data);
  agent = await connect("2.x client, modern", { url: broker.url, token: await broker.token("ann") });
});
afterAll(async () => {
  await agent?.close();
  operator?.close();
  await broker?.stop();
  folder.remove();
});

/** Runs a script for the agent and gives the call that it was. */
async function ran(code: string, more: object = {}): Promise<string> {
  const before = newestIn(broker.data);
  await runScript(agent, code, more);
  const calls = await callsAfter(broker.data, before);
  return calls.find((c) => c.intent.tool?.name === "run_code")?.intent.call as string;
}

interface Said {
  readonly verdict?: string;
  readonly rules?: readonly string[];
  readonly unknown?: string;
}
interface Replay {
  readonly seed?: number;
  readonly calls: readonly {
    readonly tool: string;
    readonly args: unknown;
    readonly then: Said;
    readonly now: Said;
    readonly from?: { readonly seq: number };
    readonly lacks?: string;
  }[];
  readonly left: readonly { readonly tool: string; readonly args: string }[];
  readonly end: { readonly value?: unknown; readonly error?: { readonly code: string } };
  readonly same: { readonly value?: boolean; readonly calls: boolean };
  readonly error?: { readonly code: string; readonly message: string; readonly help?: string };
}

/** Replays a call in a process of its own; what it says is read from stdout, or from stderr where it fails. */
async function replay(call: string, ...more: string[]): Promise<Replay & { readonly code: unknown }> {
  const options = more.includes("--config") || more.includes("--data") ? more : ["--config", broker.config, ...more];
  const { code, lines } = await callgate("code", "replay", "--call", call, "--json", ...options);
  return { code, ...(JSON.parse(lines.at(-1) ?? "{}") as Replay) };
}

const heardCount = (): number => readFileSync(heard, "utf8").split("\n").length;

describe("a recorded script", () => {
  it("goes as it went, with a denied call, a rewritten one, chance and the date, and calls no tool", async () => {
    const call = await ran(
      `const out = [Math.random() < 2];
       const id = crypto.randomUUID();
       out.push(JSON.parse(await tools.talker.write({ to: id })).to === id);
       out.push(JSON.parse(await tools.talker.write({ to: new Date().toISOString().slice(0, 10), limit: 50 })).limit);
       try { await tools.talker.write({ to: "eve" }) } catch (e) { out.push(e.code, e.data.rule, typeof e.data.record) }
       try { await tools.talker.say({ how: "error" }) } catch (e) { out.push(e.code, e.message) }
       const [a, b] = await Promise.all([tools.talker.say({ how: "mail" }), tools.talker.say({ how: "secret" })]);
       return [...out, a, b, input.big, Math.random(), id];`,
      { input: { big: 7 } },
    );
    const before = [heardCount(), newestIn(broker.data)];
    const { code, lines } = await callgate("code", "replay", "--call", call, "--config", broker.config);
    expect([code, heardCount(), newestIn(broker.data)]).toEqual([0, ...before]);
    const text = lines.join("\n");
    expect(text).toMatch(/^value {3}\[true,true,10,"POLICY_DENIED","not-eve","number",.* {2}as recorded$/m);
    expect(text).toMatch(/^calls {3}as recorded$/m);
    expect(text).toMatch(/talker__write +\{"to":"eve"\} +denied by not-eve +denied by not-eve +#\d+/);
    expect(text).not.toContain("NOT_RECORDED");
    const told = await replay(call);
    expect(told).toMatchObject({ code: 0, same: { value: true, calls: true } });
    expect(told.calls).toHaveLength(6);
    expect(told.seed).toBeTypeOf("number");
  });

  it("that was held goes as it went, and so does the run that took it up", async () => {
    const script = `const who = String(Math.random());
      const a = JSON.parse(await tools.talker.write({ to: who })).to === who;
      const held = tools.talker.held({ to: "h" });
      for (const how of ["x", "y"]) await tools.talker.say({ how });
      return [a, JSON.parse(await held).to]`;
    const before = newestIn(broker.data);
    const held = bodyOf(await runScript(agent, script));
    expect(held.error?.code).toBe("HELD");
    await approveNext(operator);
    await runScript(agent, script, { resume: held.resume });
    await callsAfter(broker.data, before);
    const [first, second] = recordsIn(broker.data, { after: before, kind: ["intent"] }).filter(
      (record) => record.tool?.name === "run_code",
    );
    const then = await replay(first?.call as string);
    expect(then).toMatchObject({ code: 0, same: { value: true, calls: true }, end: { error: { code: "HELD" } } });
    expect(then.calls.map((c) => c.then.verdict)).toEqual(["allow", "hold", "allow", "allow"]);
    const later = await replay(second?.call as string);
    expect(later).toMatchObject({ code: 0, same: { value: true, calls: true }, end: { value: [true, "h"] }, left: [] });
    expect(later.calls.map((c) => c.then.verdict)).toEqual(["allow", "hold", "allow", "allow"]);
  });

  it.each([
    ["a budget of the broker", "for (let i = 0; ; i++) await tools.talker.write({ to: String(i) })", "CALL_BUDGET", 5],
    ["a budget of the sandbox", "for (let i = 0; ; i++) await tools.talker.say({ how: `${i}` })", "CALL_BUDGET", 20],
    ["an error of its own", `await tools.talker.say({}); throw new Error("mine")`, "GUEST_ERROR", 1],
    ["a tool that it may not see", "return await tools.talker.hidden({})", "GUEST_ERROR", 0],
    ["a refusal", `await tools.talker.write({ to: "eve" })`, "POLICY_DENIED", 1],
    ["no object of arguments", "return await tools.talker.write(7)", "GUEST_ERROR", 1],
  ])("ends as it ended: %s", async (_, script, error, calls) => {
    const told = await replay(await ran(script));
    expect(told).toMatchObject({ code: 0, end: { error: { code: error } }, same: { value: true, calls: true } });
    expect(told.calls).toHaveLength(calls);
  });

  it("that did not wait for a call does not wait for it again", async () => {
    const told = await replay(await ran(`void tools.talker.say({ how: "x" }); return 1`));
    expect(told).toMatchObject({ code: 0, end: { value: 1 }, same: { value: true, calls: true } });
  });

  it("that asks the clock gets the time of then", async () => {
    const told = await replay(await ran(`await tools.talker.say({ how: "at " + Date.now() }); return Date.now()`));
    expect(told).toMatchObject({ code: 0, same: { value: true, calls: true } });
  });
});

describe("on the same record", () => {
  const SCRIPT = `const mail = await tools.talker.say({ how: "mail" });
    await tools.talker.write({ to: "bob" });
    return mail.length`;

  it("today's policies are asked about each call, on the facts of then", async () => {
    const call = await ran(SCRIPT);
    folder.write("later/policies.yaml", {
      policies: [
        ...THEN,
        {
          id: "no-writing-after-mail",
          effect: "forbid",
          tools: ["talker__write"],
          when: '"untrusted" in session.labels && script.depth == 1',
          reason: "it has read mail",
        },
      ],
    });
    const config = folder.write("later.yaml", { ...settings, policies: ["later/policies.yaml"] });
    const told = await replay(call, "--config", config);
    expect(told).toMatchObject({ code: 0, same: { value: true, calls: true } });
    expect(told.calls.map(({ then, now }) => [then.verdict, now.verdict, now.rules])).toEqual([
      ["allow", "allow", ["all"]],
      ["allow", "deny", ["no-writing-after-mail"]],
    ]);
    const text = (await callgate("code", "replay", "--call", call, "--config", config)).lines.join("\n");
    expect(text).toMatch(/talker__write .* allowed by all, at-most +denied by no-writing-after-mail +#\d+/);
    expect(text).toMatch(/^today {3}1 of 2 decided otherwise: 2$/m);
  });

  it("another script gets what is on record, and a typed error for what is not", async () => {
    const call = await ran(SCRIPT);
    const more = folder.write(
      "more.ts",
      `const mail: string = await tools.talker.say({ how: "mail" });
       let code = "";
       try { await tools.talker.write({ to: "carl" }) } catch (e) { code = e instanceof ToolError ? e.code : "" }
       console.log("read", mail.length);
       return code;`,
    );
    const told = await replay(call, "--script", more);
    expect(told).toMatchObject({ code: 0, end: { value: "NOT_RECORDED" }, same: { value: false, calls: false } });
    expect(told.calls.map((c) => [c.tool, c.from !== undefined, c.lacks, c.now.verdict])).toEqual([
      ["talker__say", true, undefined, "allow"],
      ["talker__write", false, "the record has no such call", undefined],
    ]);
    expect(told.left).toMatchObject([{ tool: "talker__write", args: '{"to":"bob"}' }]);
    const { lines } = await callgate("code", "replay", "--call", call, "--config", broker.config, "--script", more);
    const text = lines.join("\n");
    expect(text).toMatch(/talker__write +\{"to":"carl"\} +- +- +NOT_RECORDED/);
    expect(text).toMatch(/^not made #\d+ talker__write \{"to":"bob"\}$/m);
    expect(text).toContain("  read ");
  });

  it("the clock is that of then, unless the agent stopped it", async () => {
    const clock = folder.write("clock.ts", "return [Date.now(), new Date().getTime(), input]");
    const call = await ran("return 1", { input: "same" });
    const [outcome] = recordsIn(broker.data, { call, kind: ["outcome"] });
    const started = (outcome as { detail: { run: { now: number } } } | undefined)?.detail.run.now;
    expect((await replay(call, "--script", clock)).end.value).toEqual([started, started, "same"]);
    const frozen = await ran("return Date.now()", { now: 86_400_000 });
    expect(await replay(frozen)).toMatchObject({ code: 0, end: { value: 86_400_000 }, same: { value: true } });
  });

  it("a script that cannot be read is told with its place", async () => {
    const call = await ran(SCRIPT);
    const file = folder.write("wrong.ts", "return 1;\nconst x: number = ;\n");
    const { code, lines } = await callgate("code", "replay", "--call", call, "--data", broker.data, "--script", file);
    expect(code).toBe(1);
    expect(lines[0]).toMatch(/wrong\.ts:2:19: /);
  });

  it("nothing but the data folder is needed", async () => {
    const told = await replay(await ran(SCRIPT), "--data", broker.data, "--config", `${folder.path}/none.yaml`);
    expect(told).toMatchObject({ code: 0, same: { value: true, calls: true } });
    expect(told.calls[0]?.now.unknown).toContain("none.yaml");
  });
});

describe("what cannot be replayed", () => {
  it("is told with what to type", async () => {
    const call = await ran(`await tools.talker.say({}); return 1`);
    const [child] = recordsIn(broker.data, { kind: ["intent"] }).filter((record) => record.parent === call);
    expect(await replay(child?.call as string)).toMatchObject({
      code: 1,
      error: { code: "NOT_A_SCRIPT", help: expect.stringContaining(call) },
    });
    expect(await replay("call_none")).toMatchObject({ code: 1, error: { code: "NO_RECORD" } });
    expect(await replay(await ran("return 1", { dryRun: true }))).toMatchObject({
      code: 1,
      error: { code: "NOT_RUN" },
    });
    const before = newestIn(broker.data);
    await runScript(agent, "const x = ;");
    const [denial] = recordsIn(broker.data, { after: before, kind: ["denial"] });
    expect(await replay(denial?.call as string)).toMatchObject({ code: 1, error: { code: "NOT_RUN" } });
    const nothing = await callgate("code", "replay", "--config", broker.config);
    expect([nothing.code, nothing.lines[0]]).toEqual([2, "error: name the call with `--call`"]);
  });

  it("is a session that was shredded", async () => {
    const other = await startBroker(folder.write("other.yaml", { ...settings, data: "other" }));
    const bob = await connect("2.x client, modern", { url: other.url, token: await other.token("ann") });
    await runScript(bob, `return await tools.talker.say({ how: "mail" })`);
    await callsAfter(other.data, 0);
    const [intent] = recordsIn(other.data, { kind: ["intent"] });
    await bob.close();
    await other.stop();
    expect((await callgate("ledger", "shred", "--session", intent?.session as string, "--data", other.data)).code).toBe(
      0,
    );
    expect(await replay(intent?.call as string, "--config", other.config)).toMatchObject({
      code: 1,
      error: { code: "SHREDDED", help: expect.stringContaining("callgate ledger tree") },
    });
  });
});
