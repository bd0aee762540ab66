import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { canonicalJson, type Digest, digestOf, type RecordDraft } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import { beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { policySources } from "../src/policy-files.ts";
import { callgate, type Ran } from "./run.ts";

const THEN = digestOf("the policies of then");
const ZERO: Digest = `sha256:${"0".repeat(64)}`;

/** What the candidate is; each call below says what it makes of it. */
const CANDIDATE = {
  policies: [
    { id: "mail", effect: "permit", tools: ["mail__*"] },
    {
      id: "inside",
      effect: "forbid",
      tools: ["mail__send"],
      when: 'args.to.exists(a, !a.endsWith("@example.com"))',
      reason: "only to colleagues",
    },
    { id: "many", effect: "ask", tools: ["mail__send"], when: "size(args.to) > 2", reason: "this goes to many" },
    {
      id: "watched",
      effect: "forbid",
      mode: "observe",
      tools: ["mail__send"],
      when: "size(args.to) > 90",
      reason: "too many",
    },
    { id: "no-crm", effect: "forbid", tools: ["*"], when: 'tool.server == "crm"', reason: "the crm is gone" },
  ],
};

const root = mkdtempSync(join(tmpdir(), "callgate-simulate-"));
let config: string;

/** Writes a file as YAML, its folder included, and gives its path. */
function write(name: string, content: unknown): string {
  const file = join(root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, stringify(content));
  return file;
}

/** A record of a call as the broker makes it; without `facts`, one that was refused before it had any. */
function call(
  id: string,
  tool: string,
  args: unknown,
  more: Partial<RecordDraft>,
  facts: object | null = {},
): RecordDraft {
  const [server, name] = tool.split("__") as [string, string];
  const argsText = canonicalJson(args);
  const text = JSON.stringify({
    principal: { agent: "bot", roles: [], scopes: [] },
    tool: { qualified: tool, operation: "tools/call", scopes: [], effects: ["read"], labels: [] },
    session: { id: "ses_1", labels: [], calls: 0, cost: 0, started: 1 },
    loop: { repeats: 1, period: 0, sameResult: false },
    budget: { callsLeft: -1, costLeft: -1 },
    time: 1,
    ...facts,
  });
  return {
    kind: "intent",
    agent: id === "call_asked" ? "cat" : "bot",
    session: "ses_1",
    call: id,
    tool: { server, name, digest: digestOf(tool) },
    args: digestOf(argsText),
    payloads: { args: argsText, ...(facts && { facts: text }) },
    ...more,
  };
}

function allowed(...rules: string[]): Partial<RecordDraft> {
  return { decision: { verdict: "allow", rules, policies: THEN } };
}

function denied(...rules: string[]): Partial<RecordDraft> {
  return {
    kind: "denial",
    decision: { verdict: "deny", rules, policies: THEN },
    error: { code: rules[0] as string, message: "no" },
  };
}

/** A hold's question or answer. */
function approval(id: string, state: string, rule: string): RecordDraft {
  const decision = { verdict: "hold", rules: [rule], policies: THEN } as const;
  return { kind: "approval", agent: "bot", session: "ses_1", call: id, decision, detail: { approval: "apr_1", state } };
}

const inside = { to: ["a@example.com"] };
const outside = { to: ["a@example.net"] };
const many = { to: ["a@example.com", "b@example.com", "c@example.com"] };

// The boot's record is the first; a comment has the number of the next.
const RECORDS: RecordDraft[] = [
  /* 2 */ call("call_same", "mail__send", inside, allowed("mail")),
  { kind: "outcome", agent: "bot", session: "ses_1", call: "call_same", status: "ok" },
  /* 4 */ call("call_denied", "mail__send", outside, allowed("mail")),
  /* 5 */ call("call_allowed", "mail__send", inside, denied("no-mail")),
  /* 6 */ call("call_asked", "mail__send", many, allowed("mail")),
  /* 7 */ approval("call_refused", "asked", "old-ask"),
  approval("call_refused", "denied", "old-ask"),
  /* 9 */ call("call_refused", "mail__send", many, denied("callgate/approval-refused")),
  /* 10 */ approval("call_pending", "unanswered", "old-ask"),
  /* 11 */ call("call_pending", "mail__list", {}, denied("callgate/approval-pending")),
  /* 12 */ call("call_approved", "mail__send", outside, {
    decision: { verdict: "allow", rules: ["old-ask"], policies: THEN, approver: "ann" },
  }),
  /* 13 */ call("call_scope", "mail__send", inside, denied("callgate/missing-scope"), null),
  /* 14 */ call("call_unkept", "mail__send", outside, { ...allowed("mail"), payloads: {} }),
  /* 15 */ call("call_gone", "crm__find", {}, allowed("crm\u001b[2J")),
  /* 16 */ call("call_default", "mail__list", { all: true }, { ...denied("callgate/default-deny"), agent: "dog" }),
  /* 17 */ call("call_denied_2", "mail__send", outside, allowed("mail")),
];

beforeAll(async () => {
  const definitions = ["mail__send", "mail__list"].map((tool) => [
    tool.slice(6),
    { scopes: [], effects: ["read"], digest: digestOf(tool) },
  ]);
  write("manifests/mail.yaml", { version: 1, server: "mail", tools: Object.fromEntries(definitions) });
  write("policies/mail.yaml", CANDIDATE);
  config = write("callgate.yaml", {
    version: 1,
    data: "data",
    servers: { mail: { command: "node" } },
    agents: { bot: {} },
    policies: ["policies/*.yaml"],
  });
  await record(root, RECORDS);
  return () => rmSync(root, { recursive: true, force: true });
});

async function record(where: string, drafts: readonly RecordDraft[]): Promise<void> {
  const ledger = await openLedger({ folder: join(where, "data"), sync: "off" });
  for (const draft of drafts) ledger.appendLater(draft);
  await ledger.close();
}

function simulate(...args: string[]): Promise<Ran> {
  return callgate("policy", "simulate", "--config", config, ...args);
}

test("every call is compared with what was recorded, and told by change, rule and tool", async () => {
  const ran = await simulate("--json", "--examples", "1");
  expect(ran.err).toBe("");
  expect(ran.code).toBe(1);
  expect(JSON.parse(ran.out)).toEqual({
    ok: false,
    failing: ["denied", "allowed", "asked"],
    records: 17,
    candidate: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    recorded: [{ policies: THEN, calls: 10 }],
    calls: 12,
    unchanged: 2,
    changed: 8,
    refused: 1,
    unreplayable: 1,
    changes: { denied: 4, allowed: 3, asked: 1 },
    groups: [
      // The newest example of two.
      group("denied", "allow", ["inside"], "mail__send", 2, 17, "call_denied_2"),
      group("allowed", "deny", ["no-mail"], "mail__send", 1, 5, "call_allowed"),
      { ...group("asked", "allow", ["many"], "mail__send", 1, 6, "call_asked", "cat") },
      group("allowed", "hold", ["old-ask"], "mail__list", 1, 11, "call_pending"),
      group("denied", "hold", ["inside"], "mail__send", 1, 12, "call_approved"),
      group("denied", "allow", ["no-crm"], "crm__find", 1, 15, "call_gone"),
      group("allowed", "deny", ["callgate/default-deny"], "mail__list", 1, 16, "call_default", "dog"),
    ],
    refusals: [{ rule: "callgate/missing-scope", calls: 1 }],
    unreplayed: [{ reason: "the facts were not kept", calls: 1 }],
  });
});

function group(
  change: string,
  was: string,
  rules: string[],
  tool: string,
  calls: number,
  seq: number,
  id: string,
  agent = "bot",
): object {
  return { change, was, rules, tool, calls, examples: [{ seq, ts: expect.any(String), agent, call: id }] };
}

test("people read the same, safely", async () => {
  const { out } = await simulate();
  expect(out).toContain(`recorded   ${THEN}  (10 calls)`);
  expect(out).toMatch(
    /newly denied:\n {2}calls {2}tool {8}was {4}now by\n {2}2 {6}mail__send {2}allow {2}inside\n {6}#4 .* bot {2}call_denied\n {6}#17 /,
  );
  expect(out).toMatch(/newly allowed:\n(.*\n)*? {2}1 {6}mail__list {2}hold {2}old-ask\n/);
  expect(out).toContain("12 calls in 17 records: 4 newly denied, 3 newly allowed, 1 newly asked, 2 unchanged");
  expect(out).toContain("1 refused by the broker itself:\n  1  callgate/missing-scope");
  expect(out).toContain("1 not to be decided again:\n  1  the facts were not kept");
  expect(out).not.toContain("\u001b");
});

test("the exit code says whether what matters differs", async () => {
  const codes = await Promise.all(
    [
      ["--tool", "crm__*", "--agent", "bot", "--fail-on", "allowed,asked"],
      ["--fail-on", "none"],
      ["--fail-on", "unreplayable"],
      ["--since", "2099-01-01"],
    ].map(async (args) => (await simulate(...args)).code),
  );
  expect(codes).toEqual([0, 0, 1, 0]);
});

test("what is wrong with the input ends with 2, never with the 1 of a difference", async () => {
  const broken = write("broken/mail.yaml", { policies: [{ id: "x", effect: "permit", tools: ["mail__sent"] }] });
  const wrong = async (say: RegExp, ...args: string[]) => {
    expect(await simulate(...args)).toMatchObject({ code: 2, err: expect.stringMatching(say) });
  };
  await Promise.all([
    wrong(/did you mean `mail__send`/, "--policies", broken),
    wrong(/there is no ledger in/, "--against", join(root, "policies")),
    wrong(/`rejected` in `--fail-on` is not known/, "--fail-on", "denied,rejected"),
  ]);
  await expect(policySources([join(root, "nothing", "*.yaml")])).rejects.toMatchObject({
    code: "BAD_ARGUMENT",
    message: expect.stringContaining("matches no file"),
  });
  await expect(policySources(["pack:bse"])).rejects.toMatchObject({
    code: "BAD_ARGUMENT",
    message: "there is no pack `bse`: `pack:bse` in `--policies`",
    help: expect.stringContaining("did you mean `base`?"),
  });
});

test("other policies and another ledger can be named", async () => {
  const other = await folderWith([call("call_1", "mail__list", {}, allowed("x"))]);
  const open = write("open/mail.yaml", { policies: [{ id: "all", effect: "permit", tools: ["mail__*"] }] });
  const ran = await simulate(
    "--policies",
    open.replace("mail.yaml", "*.yaml"),
    "--against",
    join(other, "data", "ledger.db"),
  );
  expect(ran).toMatchObject({
    code: 0,
    out: expect.stringContaining("1 call in 2 records: 0 newly denied, 0 newly allowed, 0 newly asked, 1 unchanged"),
  });
});

test("packs can stand among the policies", async () => {
  const packed = await folderWith([
    call("call_1", "mail__list", {}, allowed("x")),
    call("call_2", "mail__list", {}, denied("no")),
  ]);
  const ran = await simulate("--policies", "pack:base", "pack:base", "--json", "--against", join(packed, "data"));
  expect(ran.err).toBe("");
  expect(JSON.parse(ran.out)).toMatchObject({ unchanged: 1, changes: { denied: 0, allowed: 1, asked: 0 } });
});

test("`explain` prints what a record says so that a terminal does nothing of it", async () => {
  const hostile = "\u001b[2J\u001b]0;owned\u0007";
  const flow = {
    origins: { "a@example.com": [hostile] },
    inside: {},
    sources: { "a@example.com": hostile },
    action: "model",
  };
  const other = await folderWith([
    call("c1", "mail__send", inside, allowed("x"), { flow }),
    call("c2", "mail__send", inside, allowed("x"), { flow: { ...flow, origins: { a: 7 } } }),
    call("c3", "mail__send", inside, denied(hostile), { flow }),
  ]);
  write("flow.yaml", {
    policies: [{ id: "told", effect: "permit", tools: ["mail__send"], when: 'origin(args.to).exists(o, o == "task")' }],
  });
  const place = write("flow-config.yaml", {
    version: 1,
    data: join(other, "data"),
    servers: { mail: { command: "node" } },
    agents: { bot: {} },
    policies: ["flow.yaml"],
  });
  const explain = (seq: number): Promise<Ran> => callgate("policy", "explain", "-c", place, "--record", String(seq));
  const [whole, broken, refused] = await Promise.all([explain(2), explain(3), explain(4)]);
  expect(whole.out).toContain("\\u{1b}[2J\\u{1b}]0;owned\\u{7}, first in the result of \\u{1b}[2J");
  expect(refused.out).toContain("recorded: deny by \\u{1b}[2J");
  expect(whole.out + refused.out).not.toContain("\u001b");
  expect(broken).toMatchObject({
    code: 1,
    err: expect.stringContaining("cannot be decided again: the facts have a form that this version does not know"),
  });
});

test("a call whose origins were not kept is not decided where the candidate asks for them", async () => {
  const flow = { origins: { "a@example.com": ["untrusted"] }, inside: {}, action: "model" };
  const other = await folderWith([
    call("c1", "mail__send", inside, allowed("x"), { flow }),
    call("c2", "mail__send", inside, allowed("x")),
    call("c3", "mail__list", {}, allowed("x")),
  ]);
  const candidate = write("flow/mail.yaml", {
    policies: [
      { id: "all", effect: "permit", tools: ["mail__*"] },
      {
        id: "known-only",
        effect: "forbid",
        tools: ["mail__send"],
        when: 'origin(args.to).exists(o, o == "untrusted")',
        reason: "the recipient comes from untrusted content",
      },
    ],
  });
  const ran = await simulate("--json", "--policies", candidate, "--against", join(other, "data"));
  expect(JSON.parse(ran.out)).toMatchObject({
    unchanged: 1,
    groups: [{ change: "denied", rules: ["known-only"], examples: [{ seq: 2 }] }],
    unreplayed: [{ reason: "flow facts were not kept", calls: 1 }],
  });
});

test("rollout adds up what policies on trial made of the calls", async () => {
  const trial = (observed: string[], shadow?: [string, ...string[]]): Partial<RecordDraft> => ({
    detail: { trial: { observed, ...(shadow && { shadow: { verdict: shadow[0], rules: shadow.slice(1) } }) } },
  });
  const other = await folderWith([
    /* 2 */ call("c1", "mail__send", inside, { ...allowed("mail"), ...trial(["watch-mail"]) }),
    /* 3 */ call("c2", "mail__send", inside, {
      ...allowed("mail"),
      ...trial(["watch-mail", "watch-all"], ["deny", "strict"]),
    }),
    /* 4 */ call("c3", "mail__list", {}, { ...denied("no"), ...trial([], ["allow", "mail"]) }),
    /* 5 */ call("c4", "mail__list", {}, { ...allowed("mail"), ...trial([], ["allow", "mail", "list"]) }),
    /* 6 */ call("c5", "mail__list", {}, allowed("mail")),
    /* 7 */ call("c6", "mail__send", inside, denied("callgate/budget-calls"), null),
    /* 8 */ {
      kind: "outcome",
      agent: "bot",
      call: "c5",
      tool: { server: "mail", name: "list", digest: ZERO },
      status: "ok",
      detail: { judged: "pass", ...trial([], ["block", "no-keys"]).detail },
    },
    // Blocked then: only the rules would be others.
    /* 9 */ {
      kind: "outcome",
      agent: "bot",
      call: "c1",
      tool: { server: "mail", name: "send", digest: ZERO },
      status: "error",
      detail: { judged: "block", rules: ["no-keys"], ...trial([], ["block", "no-keys", "no-names"]).detail },
    },
    // A result that no policy spoke about, and an outcome without a result.
    /* 10 */ { kind: "outcome", agent: "bot", call: "c2", status: "ok" },
    /* 11 */ { kind: "outcome", agent: "bot", call: "c4", status: "timeout" },
  ]);
  const args = ["policy", "rollout", "--config", config, "--data", join(other, "data"), "--examples", "1"];
  const json = await callgate(...args, "--json");
  const example = (seq: number, id: string) => [{ seq, ts: expect.any(String), agent: "bot", call: id }];
  expect(JSON.parse(json.out)).toEqual({
    calls: { decided: 5, observed: 2, differing: 2, otherRules: 1, same: 2 },
    results: { decided: 2, observed: 0, differing: 1, otherRules: 1, same: 0 },
    observed: [
      { rule: "watch-mail", tool: "mail__send", calls: 2, examples: example(3, "c2") },
      { rule: "watch-all", tool: "mail__send", calls: 1, examples: example(3, "c2") },
    ],
    differences: [
      { was: "allow", now: "deny", rules: ["strict"], tool: "mail__send", calls: 1, examples: example(3, "c2") },
      { was: "deny", now: "allow", rules: ["mail"], tool: "mail__list", calls: 1, examples: example(4, "c3") },
      { was: "allow", now: "allow", rules: ["mail", "list"], tool: "mail__list", calls: 1, examples: example(5, "c4") },
      { was: "pass", now: "block", rules: ["no-keys"], tool: "mail__list", calls: 1, examples: example(8, "c5") },
      {
        was: "block",
        now: "block",
        rules: ["no-keys", "no-names"],
        tool: "mail__send",
        calls: 1,
        examples: example(9, "c1"),
      },
    ],
    silent: ["watched"],
  });
  const { out, code } = await callgate(...args);
  expect(code).toBe(0);
  expect(out).toMatch(/observed: .*\n {2}count {2}rule {8}tool\n {2}2 {6}watch-mail {2}mail__send\n {6}#3 /);
  expect(out).toContain("5 calls: 2 observed; shadow: 2 differing, 1 the same by other rules, 2 no difference");
});

let ledgers = 0;

async function folderWith(drafts: readonly RecordDraft[]): Promise<string> {
  const where = join(root, `ledger-${++ledgers}`);
  await record(where, drafts);
  return where;
}
