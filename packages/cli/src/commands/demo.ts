import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CallgateError, isObject } from "@callgate/core";
import { ApprovalStore, audienceOf, issueToken, openSigningKey } from "@callgate/gateway";
import { openReader } from "@callgate/ledger";
import { verifyLedger } from "@callgate/verify";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Command } from "commander";
import { configOf } from "../configuration.ts";
import { startConfig } from "../example.ts";
import { renderTimeline } from "../render/timeline.ts";
import { openRunning } from "./serve.ts";

/** What the scripted agent saw of one call. */
interface Seen {
  readonly error: boolean;
  readonly text: string;
  readonly rule: string | undefined;
}

/** `callgate demo`: a scripted agent works through a small story over a running broker; then the ledger tells it again. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("watch a scripted agent work through the broker, then read the record of it (ends by itself)")
    .option("-c, --config <file>", "the configuration; the story fits the example's")
    .action(async (options: { config?: string }) => {
      const data = await mkdtemp(join(tmpdir(), "callgate-demo-"));
      try {
        await tell(startConfig(options.config), data);
      } finally {
        await rm(data, { recursive: true, force: true });
      }
      process.exit(0);
    });
}

async function tell(file: string, data: string): Promise<void> {
  const config = await configOf({ config: file, data });
  // A port of its own, so that the demo runs beside `callgate start`; and no log lines between the story's.
  const running = await openRunning({ ...config, http: { ...config.http, port: 0 }, log: { level: "error" } });
  const operator = new ApprovalStore(data);
  let session = "";
  try {
    const agent = config.agents["example"];
    if (!agent)
      throw new CallgateError("CONFIG_INVALID", "the demo needs the agent `example`", {
        help: "run it with the example configuration",
      });
    const token = await issueToken(await openSigningKey(data), { agent, ttl: 300, audience: audienceOf(config) });
    const client = new Client({ name: "demo-agent", version: "1.0.0" }, { versionNegotiation: { mode: "auto" } });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(running.face.url), {
        requestInit: { headers: { authorization: `Bearer ${token}` } },
      }),
    );
    console.log(`The agent \`${agent.name}\` connects to ${running.face.url}.\n`);

    const { tools } = await client.listTools();
    say(
      "It asks for its tools",
      `${tools.length} tools; what needs a scope it lacks, such as files__move_file, is not among them`,
    );
    expect(!tools.some((t) => t.name === "files__move_file"), "files__move_file should not be listed");

    const read = await call(client, "files__read_text_file", { path: "README.txt" });
    say("It reads README.txt", read.text);
    expect(!read.error, "reading should be allowed");

    const outside = await call(client, "files__write_file", { path: "README.txt", content: "mine now" });
    say("It writes to README.txt, outside notes/", outside.text);
    expect(outside.rule === "write-only-notes", "writing outside notes/ should be denied");

    const scope = await call(client, "files__move_file", { source: "README.txt", destination: "notes/README.txt" });
    say("It moves README.txt anyway", scope.text);
    expect(scope.rule === "callgate/missing-scope", "moving should need a scope");

    let turns = 0;
    let loop = await call(client, "memory__read_graph", {});
    while (!loop.error && turns++ < 20) loop = await call(client, "memory__read_graph", {});
    say(`It reads its memory again and again, and is stopped at turn ${turns + 1}`, loop.text);
    expect(loop.rule === "callgate/loop", "the loop should be stopped");

    const note = { path: "notes/demo.txt", content: "Written with a person's approval.\n" };
    const held = call(client, "files__write_file", note);
    const waiting = await until(() => operator.list("pending")[0]);
    console.log(`It writes notes/demo.txt. The call is held: ${waiting.reason}.`);
    console.log(`   an operator sees  ${waiting.agent} ${waiting.tool} ${waiting.argsText}`);
    operator.answer(waiting.id, "approved", "the operator of the demo");
    const written = await held;
    console.log(`   and runs          callgate approvals approve ${waiting.id}`);
    say("   so the call goes on", written.text);
    expect(!written.error, "the approved call should run");
    await client.close();

    // The record of the last outcome rides with the next commit: closing waits for it.
    session = [...running.broker.sessions()].at(-1)?.id ?? "";
  } finally {
    operator.close();
    await running.close();
  }

  const reader = openReader(data);
  try {
    console.log("\nThe ledger tells the same story:\n");
    console.log(
      renderTimeline(reader.query({ session, order: "asc", limit: 1000 }), (seq) => reader.show(seq)?.payloads ?? {}),
    );
    const { verdict, counts, head } = await verifyLedger({ ledger: data });
    const clean = verdict === "clean";
    console.log(
      `\n${clean ? "verified" : verdict.toUpperCase()}: ${counts.records} records, root ${head?.root ?? "-"}`,
    );
    expect(clean, "the ledger should verify");
  } finally {
    reader.close();
  }
  await rm(join(config.dir, "workspace", "notes", "demo.txt"), { force: true });
}

async function call(client: Client, name: string, args: Record<string, unknown>): Promise<Seen> {
  const result = await client.callTool({ name, arguments: args });
  const content = Array.isArray(result.content) ? (result.content[0] as unknown) : undefined;
  const denial = result._meta?.["io.callgate/denial"];
  return {
    error: result.isError === true,
    text: isObject(content) && typeof content["text"] === "string" ? content["text"] : JSON.stringify(result),
    rule: isObject(denial) && typeof denial["rule"] === "string" ? denial["rule"] : undefined,
  };
}

function say(what: string, answer: string): void {
  const lines = answer.trim().split("\n").slice(0, 6);
  console.log(`${what}.\n${lines.map((line) => `   ${line.slice(0, 160)}`).join("\n")}\n`);
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new CallgateError("DEMO_FAILED", `the story went another way: ${what}`);
}

async function until<T>(look: () => T | undefined): Promise<T> {
  for (let i = 0; i < 200; i++) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new CallgateError("DEMO_FAILED", "the story went another way: the call was not held");
}
