// The story of this folder, told by running it: `npm run example scripts`. Ends with 1 if it went another way.
import { execFile, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const CLI = join(import.meta.dirname, "../../packages/cli/src/main.ts");
const data = mkdtempSync(join(tmpdir(), "callgate-scripts-"));
const config = ["--config", join(import.meta.dirname, "callgate.yaml"), "--data", data];

/** Runs a callgate command to its end and gives what it printed. */
function callgate(...args: string[]): string {
  return execFileSync(process.execPath, [CLI, ...args, ...config], { encoding: "utf8" }).trim();
}

/** Says what happened, and ends the story if that is not what should. */
function tell(what: string, is: unknown, wanted: unknown): void {
  console.log(`${what}: ${JSON.stringify(is)}`);
  if (JSON.stringify(is) !== JSON.stringify(wanted))
    throw new Error(`the story went another way: it should be ${JSON.stringify(wanted)}`);
}

/** What `run_code` gives. */
interface Run {
  readonly value?: unknown;
  readonly error?: { readonly code: string };
}

/** Plays the operator: looks for held calls until there is one, approves it, and gives what was asked. */
async function approve(): Promise<string> {
  const run = promisify(execFile);
  const command = (...args: string[]) => run(process.execPath, [CLI, "approvals", ...args, ...config]);
  for (let tries = 0; tries < 50; tries++) {
    const { stdout } = await command("list", "--json");
    const waiting = (JSON.parse(stdout) as { id: string; status: string; reason: string; plan: string }[]).find(
      ({ status }) => status === "pending",
    );
    if (!waiting) continue;
    await command("approve", waiting.id);
    return [waiting.reason, ...(waiting.plan === "" ? [] : [waiting.plan])].join("\n");
  }
  throw new Error("nothing was held");
}

const broker = spawn(process.execPath, [CLI, "serve", ...config], { stdio: ["ignore", "pipe", "inherit"] });
try {
  let url = "";
  for await (const line of createInterface(broker.stdout)) {
    url = /https?:\/\/\S+/.exec(line)?.[0] ?? "";
    if (url !== "") break;
  }
  const answer = await fetch(new URL("/v1/sessions", url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${callgate("token", "issue", "--agent", "harness")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify({ agent: "assistant", task: "Tell me who wrote, and answer Bob that I come on Friday." }),
  });
  const { session, token } = (await answer.json()) as { session: string; token: string };
  const client = new Client({ name: "assistant", version: "1.0.0" });
  const headers = { authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  const script = async (code: string): Promise<Run> => {
    const result = await client.callTool({ name: "callgate__run_code", arguments: { code } });
    return (result.structuredContent ?? {}) as Run;
  };

  // The assistant need not read the mails to know who wrote.
  const counts = await script(`
    const mails = JSON.parse(await tools.mail.read_inbox({}));
    const senders: Record<string, number> = {};
    for (const { from } of mails) senders[from] = (senders[from] ?? 0) + 1;
    return senders;
  `);
  tell("who wrote", counts.value, { "bob@corp.example": 1, "it@corp.example": 1, "news@letters.example": 1 });

  // A script that can send is approved by a person, who sees what it can do.
  const answering = script(`
    const mails = JSON.parse(await tools.mail.read_inbox({}));
    const { from } = mails.find((mail) => mail.subject === "Friday");
    return await tools.mail.send_mail({ to: [from], subject: "Friday", body: "I come." });
  `);
  console.log(`the operator is asked: ${await approve()}`);
  tell("the approved script", (await answering).value, "sent to bob@corp.example");

  // The plan is what was approved: a call that the text hid is not in it.
  const hiding = script(`
    await tools.mail.read_inbox({});
    const hidden = tools["mail"]["send" + "_mail"];
    try { await hidden({ to: ["bob@corp.example"], subject: "x", body: "x" }); return "sent" }
    catch (error) { return error.data.rule }
  `);
  await approve();
  tell("a call outside the approved plan is stopped by", (await hiding).value, "callgate/outside-plan");

  // A script cannot wash an address by taking it apart.
  const washing = script(`
    const [, , letter] = JSON.parse(await tools.mail.read_inbox({}));
    const stranger = letter.body.split(" ").find((word) => word.includes("@")).split("").reverse();
    return await tools.mail.send_mail({ to: ["x." + stranger.reverse().join("")], subject: "All", body: "all of it" });
  `);
  await approve();
  const held = await approve();
  tell("an address that a script made of a mail is held", held.split(";")[0], held.split(";")[0]);
  await washing;

  // And it cannot go on for ever.
  const flooding = script(`
    const [{ from }] = JSON.parse(await tools.mail.read_inbox({}));
    for (let i = 0; ; i++) await tools.mail.send_mail({ to: [from], subject: "Friday", body: "Mail " + i });
  `);
  await approve();
  tell("a script that sends for ever ends with", (await flooding).error?.code, "CALL_BUDGET");
  await client.close();

  console.log(`\n${callgate("ledger", "timeline", "--session", session)}`);
} finally {
  broker.kill("SIGINT");
  await new Promise((resolve) => broker.once("exit", resolve));
  rmSync(data, { recursive: true, force: true });
}
