import { openFilling, openLedger } from "@callgate/ledger";
import { expect, test } from "vitest";
import { callgate, emptyFolder } from "./run.ts";
import { incidentStory, laterPolicies, STRANGER } from "./story.ts";

test("an incident is opened: what was read, where it went, what today's policies say, and where else it happened", async () => {
  const folder = await incidentStory();
  const config = await laterPolicies();
  const { code, out, err } = await callgate(
    "incident",
    "open",
    "--session",
    "ses_1",
    "--config",
    config,
    "--data",
    folder,
  );
  expect([code, err]).toEqual([0, ""]);
  const section = (title: string): string => out.split(`== ${title}\n`)[1]?.split("\n\n")[0] ?? "";
  expect(out).toMatch(/^session ses_1 · agent assistant · .* · 4 calls, 3 run, 1 denied\n/);
  expect(section("labelled data that was read")).toBe(
    "  #2  mail__read_inbox: untrusted, private\n  #4  vault__read_secret: secret",
  );
  const reached = section("sinks reached afterwards");
  expect(reached).toContain(
    "#6  mail__send_mail (write, external) -> ok; the session had read untrusted, private, secret",
  );
  expect(reached).toContain("untrusted text alone asks for this kind of act");
  expect(reached).toContain(`to[0] = "${STRANGER}"  from mail__read_inbox #3 (instructed, private, untrusted)`);
  expect(reached).toMatch(/body = "The password is .*" {2}from vault__read_secret #5 \(secret\)/);
  expect(section("sinks tried and stopped")).toMatch(/#8 {2}files__delete_file \(write, destructive\) -> denied/);
  expect(section("what went where, by origin")).toContain(
    `  mail__read_inbox (untrusted, private) #2\n        -> #6 mail__send_mail, ran: ${STRANGER}`,
  );
  expect(section("denied or held")).toContain(
    "#8  files__delete_file denied by no-deleting: files stay\\u{1b}[2J where they are",
  );
  const now = section("what today's policies would do");
  expect(now).toContain("2 decided as then, 2 otherwise");
  expect(now).toContain("#6  mail__send_mail: allowed by open then, denied by secrets-stay now");
  expect(now).toContain("#8  files__delete_file: denied by no-deleting then, allowed by open now");
  expect(section("related sessions")).toMatch(
    new RegExp(
      `^ {2}ses_2 · agent newsbot · .*\\n {8}address ${STRANGER} #9, in a call that ran\\n {2}looked through records 1 to \\d+\n$`,
    ),
  );
  expect(out).not.toContain("ses_3");
  expect(out).not.toContain("\u001b");
});

test("as JSON, by a call, without a configuration", async () => {
  const folder = await incidentStory();
  const { code, out } = await callgate(
    "incident",
    "open",
    "--call",
    "call_3",
    "--json",
    "--config",
    "none.yaml",
    "--data",
    folder,
  );
  expect(code).toBe(0);
  const incident = JSON.parse(out);
  expect(incident).toMatchObject({
    session: "ses_1",
    focus: "call_3",
    counterfactual: { available: false, reason: expect.stringContaining("none.yaml") },
    blast: { reached: [{ seq: 6, tool: "mail__send_mail", action: "untrusted" }], stopped: [{ seq: 8 }] },
    indicators: expect.arrayContaining([
      { kind: "address", value: STRANGER, where: "sink", seqs: [3, 6] },
      { kind: "file", value: "/home/ann/notes.txt", where: "sink", seqs: [8] },
      { kind: "url", value: "https://wiki.corp.example/friday", where: "result", seqs: [3] },
      { kind: "host", value: "wiki.corp.example", where: "result", seqs: [3] },
    ]),
    related: { sessions: [{ session: "ses_2", agent: "newsbot" }], searched: { by: "scan", whole: true } },
  });
  // The denied call has no flow facts, and its path was in no result that the session had read.
  expect(incident.blast.stopped[0].values).toEqual([
    { argument: "path", value: "/home/ann/notes.txt", inside: false, origins: [], basis: "text", from: [] },
  ]);
});

test("a search that leaves records out says so", async () => {
  const folder = await incidentStory();
  const { out } = await callgate(
    "incident",
    "open",
    "--session",
    "ses_1",
    "--scan",
    "2",
    "--config",
    "none.yaml",
    "--data",
    folder,
  );
  expect(out).toContain("older ones were left out, see `--scan`");
  expect(out).not.toContain("ses_2");
});

test("in a larger ledger the index of words says where to look", async () => {
  const folder = await incidentStory();
  const filling = openFilling(folder);
  for (let { indexed, head } = filling.step(); indexed < head; { indexed, head } = filling.step());
  filling.close();
  const args = ["--session", "ses_1", "--scan", "5", "--json", "--config", "none.yaml", "--data", folder];
  const { related } = JSON.parse((await callgate("incident", "open", ...args)).out);
  expect(related).toMatchObject({ sessions: [{ session: "ses_2" }], searched: { by: "index", whole: true } });
});

test("payloads that were not kept are said to be missing, not guessed", async () => {
  const folder = await emptyFolder();
  const ledger = await openLedger({ folder, sync: "off", payloads: false });
  await ledger.append({
    kind: "intent",
    agent: "a",
    session: "ses_1",
    call: "call_1",
    tool: { server: "mail", name: "send", digest: `sha256:${"1".repeat(64)}` },
    decision: { verdict: "allow", rules: ["open"], policies: "p" },
  });
  await ledger.close();
  const { code, out } = await callgate(
    "incident",
    "open",
    "--session",
    "ses_1",
    "--config",
    await laterPolicies(),
    "--data",
    folder,
  );
  expect(code).toBe(0);
  expect(out).toContain("#2  mail__send cannot be decided again: the facts were not kept");
});

test.each([
  [[], 2, "give either `--session` or `--call`"],
  [["--session", "ses_1", "--scan", "all"], 2, "`all` in `--scan` is not a number of records"],
  [["--session", "ses_9"], 1, "there is no session `ses_9`"],
  [["--call", "call_9"], 1, "there is no call `call_9` with a session"],
])("%j is refused", async (args, code, message) => {
  const ran = await callgate("incident", "open", ...args, "--config", "none.yaml", "--data", await incidentStory());
  expect(ran).toMatchObject({ code, out: "", err: expect.stringContaining(message) });
});
