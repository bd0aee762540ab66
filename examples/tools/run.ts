// The story of this folder, told by running it: `npm run example tools`. Ends with 1 if it went another way.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const CLI = join(import.meta.dirname, "../../packages/cli/src/main.ts");
const folder = mkdtempSync(join(tmpdir(), "callgate-tools-"));
const config = ["--config", join(folder, "callgate.yaml")];

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

for (const file of ["callgate.yaml", "policies.yaml"]) cpSync(join(import.meta.dirname, file), join(folder, file));
const rates = spawn(process.execPath, [join(import.meta.dirname, "convert/rates-server.mjs")], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  await once(rates.stdout, "data");
  // Bundled, asked for their tools inside the sandbox, pinned by digest. A person would read the manifests now.
  for (const name of ["csv", "convert", "redact", "hostile"])
    console.log(callgate("tool", "register", join(import.meta.dirname, name), "--server", name).split("\n\n")[0]);

  const broker = spawn(process.execPath, [CLI, "serve", ...config], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    let url = "";
    for await (const line of createInterface(broker.stdout)) {
      url = /https?:\/\/\S+/.exec(line)?.[0] ?? "";
      if (url !== "") break;
    }
    const client = new Client({ name: "assistant", version: "1.0.0" });
    const headers = { authorization: `Bearer ${callgate("token", "issue", "--agent", "assistant")}` };
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
    const call = async (name: string, args: Record<string, unknown> = {}) => {
      const result = await client.callTool({ name, arguments: args });
      const [block] = result.content as { text?: string }[];
      return { told: result.structuredContent as Record<string, unknown> | undefined, text: block?.text ?? "" };
    };

    console.log();
    const query = {
      csv: "who,eur\nann,20\nbob,5\nann,22\n",
      groupBy: ["who"],
      aggregate: [{ of: "sum", column: "eur" }],
    };
    tell("sums of a table", (await call("csv__query", query)).told?.["rows"], [
      ["ann", 42],
      ["bob", 5],
    ]);
    const money = await call("convert__convert", { amount: 100, from: "EUR", to: "USD" });
    tell("money by the rates of the day, from the one host it may ask", money.told?.["amount"], 108);
    const letter = await call("redact__redact", { text: "Mail ann@corp.example, card 4111 1111 1111 1111." });
    tell("a text without what is personal", letter.told?.["text"], "Mail [email], card [card].");

    console.log();
    for (const attack of ["code", "machine", "network"])
      tell(`${attack}: what the hostile module reached`, (await call(`hostile__${attack}`)).told?.["reached"], []);
    await call("hostile__poison");
    tell("what it left for the next call", (await call("hostile__clean")).told?.["reached"], []);
    for (const [attack, end] of [
      ["spin", "CPU_TIMEOUT"],
      ["allocate", "MEMORY_LIMIT"],
      ["flood", "LOG_LIMIT"],
    ] as const)
      tell(`${attack} ends with`, /^The tool failed: (\w+)/.exec((await call(`hostile__${attack}`)).text)?.[1], end);
    tell("and the next call works", (await call("csv__query", query)).told?.["total"], 2);
    await client.close();
    console.log(`\n${callgate("ledger", "query", "tool:convert* kind:intent")}`);
  } finally {
    broker.kill("SIGINT");
    await once(broker, "exit");
  }
} finally {
  rates.kill();
  rmSync(folder, { recursive: true, force: true });
}
