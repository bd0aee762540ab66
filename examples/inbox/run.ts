// The story of this folder, told by running it: `npm run example inbox`. Ends with 1 if it went another way.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const CLI = join(import.meta.dirname, "../../packages/cli/src/main.ts");
const data = mkdtempSync(join(tmpdir(), "callgate-inbox-"));
const config = ["--config", join(import.meta.dirname, "callgate.yaml"), "--data", data];

/** Runs a callgate command to its end and gives what it printed. */
function callgate(...args: string[]): string {
  return execFileSync(process.execPath, [CLI, ...args, ...config], { encoding: "utf8" }).trim();
}

/** Says what happened, and ends the story if that is not what should. */
function tell(what: string, rule: string | undefined, wanted: string | undefined): void {
  console.log(`${what}: ${rule === undefined ? "allowed" : `stopped by ${rule}`}`);
  if (rule !== wanted) throw new Error(`the story went another way: it should be ${wanted ?? "allowed"}`);
}

const broker = spawn(process.execPath, [CLI, "serve", ...config], { stdio: ["ignore", "pipe", "inherit"] });
try {
  let url = "";
  for await (const line of createInterface(broker.stdout)) {
    url = /https?:\/\/\S+/.exec(line)?.[0] ?? "";
    if (url !== "") break;
  }

  // The harness knows what the user asked for. It opens a session for the assistant and says so.
  const answer = await fetch(new URL("/v1/sessions", url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${callgate("token", "issue", "--agent", "harness")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ agent: "assistant", task: "Read my mail, and answer Bob that I come on Friday." }),
  });
  const { session, token } = (await answer.json()) as { session: string; token: string };
  console.log(`the harness opened ${session}`);

  // The assistant has a token that is good for this session alone.
  const client = new Client({ name: "assistant", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  const call = async (name: string, args: Record<string, unknown>): Promise<string | undefined> => {
    const result = await client.callTool({ name, arguments: args });
    const denial = result._meta?.["io.callgate/denial"] as { rules?: string[]; rule: string } | undefined;
    return denial?.rule;
  };
  const mail = (to: string, body: string) => call("mail__send_mail", { to: [to], subject: "Friday", body });

  tell("reading the inbox", await call("mail__read_inbox", {}), undefined);
  tell("answering Bob, who wrote one of the mails", await mail("bob@corp.example", "Yes!"), undefined);
  tell("telling Ann, who is in the directory", await mail("ann.lee@corp.example", "I come."), undefined);
  const held = "callgate/approval-pending";
  tell("doing what a mail says", await mail("archive@letters-backup.example", "all of it"), held);
  tell("writing to an address it made up", await mail("bob@corp.example.net", "Yes!"), held);
  tell("sending on a password", await mail("bob@corp.example", "It is correct-horse-7431."), held);
  await client.close();

  console.log(`\n${callgate("ledger", "timeline", "--session", session)}`);
} finally {
  broker.kill("SIGINT");
  await new Promise((resolve) => broker.once("exit", resolve));
  rmSync(data, { recursive: true, force: true });
}
