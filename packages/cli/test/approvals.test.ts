import { userInfo } from "node:os";
import { join } from "node:path";
import { canonicalJson, digestOf } from "@callgate/core";
import { type Approval, ApprovalStore } from "@callgate/gateway";
import Database from "better-sqlite3";
import { expect, onTestFinished, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";

/** A data folder with one held call. `kept` is what the broker kept of its arguments. */
async function held(
  args: unknown,
  kept = canonicalJson(args),
  ttl = 600_000,
): Promise<{ folder: string; store: ApprovalStore; approval: Approval }> {
  const folder = await emptyFolder();
  const store = new ApprovalStore(folder);
  onTestFinished(() => store.close());
  const call = {
    agent: "bot",
    user: undefined,
    tool: "mail__send",
    args: digestOf(canonicalJson(args)),
    policies: "p",
  };
  const approval = store.request(call, {
    session: "ses_1",
    call: "call_1",
    argsText: kept,
    reason: "a person looks at mail",
    ttl,
  });
  return { folder, store, approval };
}

test("a held call is listed, shown in full, and approved under the name of who answers", async () => {
  const { folder, store, approval } = await held({ to: "a@example.com", text: "x".repeat(500) });
  const listed = await callgate("approvals", "list", "--data", folder);
  expect(listed.out).toMatch(
    new RegExp(
      `^${approval.id} +pending +\\d+m left +bot +mail__send +\\{"text":"xxx.*… +a person looks at mail$`,
      "m",
    ),
  );
  const shown = await callgate("approvals", "show", approval.id, "--data", folder);
  expect(shown.out).toContain(`  "text": "${"x".repeat(500)}",\n  "to": "a@example.com"\n}`);
  const answered = await callgate("approvals", "approve", approval.id, "--data", folder);
  expect(answered).toMatchObject({ code: 0, out: expect.stringMatching(/^approved: bot mail__send \{"text"/) });
  expect(store.get(approval.id)).toMatchObject({ status: "approved", answeredBy: userInfo().username });
  expect((await callgate("approvals", "list", "--data", folder)).out).toBe("nothing waits for an approval\n");
  expect(JSON.parse((await callgate("approvals", "list", "--all", "--json", "--data", folder)).out)).toMatchObject([
    { id: approval.id, status: "approved" },
  ]);
});

test("an answer counts once", async () => {
  const { folder, store, approval } = await held({});
  expect(await callgate("approvals", "deny", approval.id, "--by", "ann", "--data", folder)).toMatchObject({ code: 0 });
  expect(store.get(approval.id)).toMatchObject({ status: "denied", answeredBy: "ann" });
  expect(await callgate("approvals", "approve", approval.id, "--data", folder)).toMatchObject({
    code: 1,
    err: expect.stringContaining("is denied already"),
  });
  expect(await callgate("approvals", "approve", "apr_nope", "--data", folder)).toMatchObject({ code: 2 });
  expect(store.get(approval.id)?.status).toBe("denied");
});

test("arguments cannot act on the terminal of the person who reads them", async () => {
  const { folder, approval } = await held({ to: "a\u009b2J\u202e", text: "\u2028\u001b]0" });
  for (const args of [["list"], ["show", approval.id], ["approve", approval.id]]) {
    const { out } = await callgate("approvals", ...args, "--data", folder);
    expect(out).toContain("a\\u{9b}2J\\u{202e}");
    expect(out.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  }
});

test("what was not kept in full is not approved unseen, unless that is said", async () => {
  const args = { text: "x".repeat(2000) };
  const { folder, store, approval } = await held(args, canonicalJson(args).slice(0, 1000));
  expect((await callgate("approvals", "show", approval.id, "--data", folder)).out).toContain(
    "WARNING: these are only the first characters",
  );
  const refused = await callgate("approvals", "approve", approval.id, "--data", folder);
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining("nobody can see all of what would be approved"),
  });
  expect(store.get(approval.id)?.status).toBe("pending");
  expect(await callgate("approvals", "approve", approval.id, "--unseen", "--data", folder)).toMatchObject({ code: 0 });
});

test("of what has expired the arguments are not kept, and `show` says so", async () => {
  const { folder, store, approval } = await held({ to: "somebody" }, '{"to":"somebody"}', 0);
  const shown = await callgate("approvals", "show", approval.id, "--data", folder);
  expect(shown.out).toMatch(/^status +expired$/m);
  expect(shown.out).toMatch(/^arguments +not kept: it is over/m);
  expect(shown.out).not.toMatch(/somebody|WARNING/);
  expect(store.get(approval.id)).toMatchObject({ status: "expired", argsText: "", args: "" });
});

test("a script is shown with what it can do, safe to print, until the approval is over", async () => {
  const folder = await emptyFolder();
  const store = new ApprovalStore(folder);
  onTestFinished(() => store.close());
  const call = { agent: "bot", user: undefined, tool: "callgate__run_code", args: digestOf("{}"), policies: "p" };
  const plan = 'the script can call:\nline 1: mail__send(to: "a\u202e\u001b[2J")\nline 2: mail__read()';
  const more = { session: "ses_1", call: "call_1", argsText: "{}", plan, reason: "it sends", ttl: 600_000 };
  const { id } = store.request(call, more);
  const { out } = await callgate("approvals", "show", id, "--data", folder);
  expect(out).toContain(
    '\n\nthe script can call:\nline 1: mail__send(to: "a\\u{202e}\\u{1b}[2J")\nline 2: mail__read()\n\n{}\n',
  );
  const listed = await callgate("approvals", "list", "--data", folder);
  expect(listed.out).toContain('  line 1: mail__send(to: "a\\u{202e}\\u{1b}[2J"); line 2: mail_…  it sends');
  expect(await callgate("approvals", "approve", id, "--data", folder)).toMatchObject({ code: 0 });
  expect(store.get(id)?.plan).toBe(plan);
  expect(store.use(call)?.id).toBe(id);
  expect(store.get(id)).toMatchObject({ plan: "", argsText: "", reason: "it sends" });
  // The same without a person: nobody answered in time.
  const late = store.request(call, { ...more, ttl: -1 });
  store.list();
  expect(store.get(late.id)).toMatchObject({ status: "expired", plan: "", argsText: "" });
});

test("a store of an older broker is taken over with what waits in it", async () => {
  const folder = await emptyFolder();
  const old = new Database(join(folder, "approvals.db"));
  old.exec(`CREATE TABLE approvals (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, agent TEXT NOT NULL, user TEXT, tool TEXT NOT NULL, args TEXT NOT NULL,
    policies TEXT NOT NULL, session TEXT NOT NULL, call TEXT NOT NULL, args_text TEXT NOT NULL, reason TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER NOT NULL, answered_by TEXT, answered_at INTEGER) STRICT`);
  old
    .prepare(
      "INSERT INTO approvals VALUES ('apr_1','pending','bot',NULL,'mail__send',?,'p','s','c','{}','why',1,?,NULL,NULL)",
    )
    .run(digestOf("{}"), Date.now() + 600_000);
  old.close();
  // Two at once, as a broker and the command line are.
  const stores = [new ApprovalStore(folder), new ApprovalStore(folder)];
  onTestFinished(() => {
    for (const store of stores) store.close();
  });
  expect(stores[0]?.get("apr_1")).toMatchObject({ status: "pending", argsText: "{}", plan: "" });
  expect(await callgate("approvals", "approve", "apr_1", "--data", folder)).toMatchObject({ code: 0 });
  expect(stores[1]?.get("apr_1")).toMatchObject({ status: "approved" });
});

test("a folder without a store is not given one", async () => {
  const folder = await emptyFolder();
  expect(await callgate("approvals", "list", "--data", folder)).toMatchObject({
    code: 1,
    err: expect.stringContaining("no broker has run in"),
  });
});
