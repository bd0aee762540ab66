import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, digestOf, type RecordDraft } from "@callgate/core";
import { openLedger } from "@callgate/ledger";
import Database from "better-sqlite3";
import { expect, test, vi } from "vitest";
import { callgate, emptyFolder, start } from "./run.ts";

const TOOL = { server: "mail", name: "send", digest: `sha256:${"1".repeat(64)}` } as const;
const ARGS = canonicalJson({ to: "a@example.com\u001b[2J", text: "hello" });

function intent(call: string): RecordDraft {
  const decision = { verdict: "allow", rules: ["may-mail"], policies: "p" } as const;
  return {
    kind: "intent",
    agent: "bot",
    session: "ses_1",
    call,
    tool: TOOL,
    args: digestOf(ARGS),
    decision,
    payloads: { args: ARGS },
  };
}

/** A data folder in which `bot` made one call and was denied another. */
async function data(): Promise<string> {
  const folder = await emptyFolder();
  const ledger = await openLedger({ folder, sync: "off" });
  await ledger.append(intent("call_1"));
  ledger.appendLater({
    kind: "outcome",
    agent: "bot",
    session: "ses_1",
    call: "call_1",
    tool: TOOL,
    status: "ok",
    ms: 5,
  });
  await ledger.append({
    kind: "denial",
    agent: "bot",
    session: "ses_1",
    call: "call_2",
    tool: TOOL,
    decision: { verdict: "deny", rules: ["no"], policies: "p" },
    error: { code: "no", message: "not now" },
  });
  await ledger.close();
  return folder;
}

test("tail, query and show give what was recorded", async () => {
  const folder = await data();
  const tail = await callgate("ledger", "tail", "-n", "3", "--data", folder);
  expect(tail).toMatchObject({ code: 0, err: "" });
  expect(
    tail.out
      .trimEnd()
      .split("\n")
      .map((l) => l.split(/\s+/).filter((_, i) => i !== 1)),
  ).toEqual([
    ["seq", "kind", "agent", "tool", "verdict", "what"],
    ["2", "intent", "bot", "mail__send", "allow", "may-mail"],
    ["3", "outcome", "bot", "mail__send", "ok", "5", "ms"],
    ["4", "denial", "bot", "mail__send", "deny", "no:", "not", "now"],
  ]);
  const found = await callgate(
    "ledger",
    "query",
    "--tool",
    "mail__*",
    "--kind",
    "intent,denial",
    "--since",
    "1h",
    "--json",
    "--data",
    folder,
  );
  expect(
    found.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).seq),
  ).toEqual([4, 2]);
  expect((await callgate("ledger", "query", "--agent", "nobody", "--data", folder)).out).toBe("no record matches\n");
  const shown = await callgate("ledger", "show", "2", "--data", folder);
  expect(shown.out).toContain('  "to": "a@example.com\\u001b[2J"\n');
  expect(JSON.parse((await callgate("ledger", "show", "2", "--json", "--data", folder)).out).payloads).toEqual({
    args: ARGS,
  });
});

test("a timeline without a session is that of the newest call", async () => {
  const folder = await data();
  const { out } = await callgate("ledger", "timeline", "--data", folder);
  expect(out).toMatch(/^session ses_1 · agent bot · .* · 2 calls, 1 run, 1 denied\n/);
  expect(out).toContain("allowed by may-mail -> ok in 5 ms  #2-3\n");
  expect(await callgate("ledger", "timeline", "--session", "ses_2", "--data", folder)).toMatchObject({
    code: 1,
    out: "",
    err: expect.stringContaining("no session `ses_2`"),
  });
});

test("following goes on with what is appended by another process, until it is stopped", async () => {
  const folder = await data();
  const tail = start("ledger", "tail", "-n", "1", "-f", "--json", "--data", folder);
  await vi.waitFor(() => expect(tail.printed()).toContain('"seq":4'), 15_000);
  const ledger = await openLedger({ folder, sync: "off" });
  const seq = await ledger.append(intent("call_3"));
  await vi.waitFor(() => expect(tail.printed()).toContain(`"seq":${seq}`), 15_000);
  await ledger.close();
  tail.stop();
  const { code, out } = await tail.ended;
  expect(code).toBe(0);
  const seqs = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).seq as number);
  expect(seqs).toEqual(seqs.map((_, i) => 4 + i));
});

test("verify ends with 0, 1 or 3 and one clear last line", async () => {
  const folder = await data();
  const clean = await callgate("ledger", "verify", "--data", folder);
  expect(clean).toMatchObject({ code: 0, err: "" });
  expect(clean.out).toMatch(/^records +4;/m);
  expect(clean.out.trimEnd().split("\n").at(-1)).toBe("clean");

  const db = new Database(join(folder, "ledger.db"));
  for (const { name } of db.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all() as {
    name: string;
  }[])
    db.exec(`DROP TRIGGER "${name}"`);
  db.prepare("UPDATE record SET leaf = replace(leaf, 'may-mail', 'may-not!') WHERE seq = 2").run();
  db.close();
  const tampered = await callgate("ledger", "verify", "--data", folder);
  expect(tampered.code).toBe(1);
  expect(tampered.out.trimEnd().split("\n").at(-1)).toBe(
    "TAMPERED, first at record 2: the leaf does not match its hash",
  );
  await writeFile(join(folder, "ledger.db"), "not a database at all, whatever its name says".repeat(100));
  const unreadable = await callgate("ledger", "verify", "--data", folder);
  expect(unreadable.code).toBe(3);
  expect(unreadable.out.trimEnd().split("\n").at(-1)).toMatch(/^UNREADABLE: /);
  expect(await callgate("ledger", "verify", "--data", await emptyFolder())).toMatchObject({ code: 3 });
});

test("the data folder is found through a configuration that would not load", async () => {
  const folder = await data();
  const file = join(await emptyFolder(), "callgate.yaml");
  await writeFile(
    file,
    `version: 1\ndata: ${JSON.stringify(folder)}\nservers: { x: { command: y, env: { A: "$\{env:NOT_SET_HERE}" } } }\n`,
  );
  expect(await callgate("ledger", "verify", "--config", file)).toMatchObject({ code: 0 });
});

test.each([
  [["query", "--verdict", "maybe"], "`maybe` is not a value of `verdict`"],
  [["query", "--since", "yesteryear"], "`yesteryear` in `--since` is not a time"],
  [["tail", "-n", "x"], "`x` in `--lines` is not a whole number"],
  [["show", "first"], "`first` in `<seq>` is not a whole number"],
])("%j is refused as wrong input", async (args, message) => {
  expect(await callgate("ledger", ...args, "--data", await data())).toMatchObject({
    code: 2,
    out: "",
    err: expect.stringContaining(message),
  });
});
