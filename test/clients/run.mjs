// Runs MCP clients that nobody here wrote, once each, against a running broker with the example configuration: each lists the tools,
// makes a call that is allowed and one that is denied. Plain JavaScript, with packages of its own, installed on first use.
import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CLI = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const READ = { path: "README.txt" };
const WRITE = { path: "README.txt", content: "hello" };
const run = promisify(execFile);

if (!existsSync(join(HERE, "node_modules"))) {
  console.error("installing the clients (npm registry)");
  execFileSync("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund"], {
    cwd: HERE,
    stdio: ["ignore", "ignore", "inherit"],
    shell: process.platform === "win32",
  });
}

/** A command-line client's output; an exit code other than 0 is an answer too. */
async function output(bin, args) {
  try {
    const { stdout, stderr } = await run(process.execPath, [join(HERE, "node_modules", bin), ...args], {
      timeout: 60_000,
      cwd: HERE,
    });
    return stdout + stderr;
  } catch (error) {
    return `${error.stdout ?? ""}${error.stderr ?? ""}${error.message}`;
  }
}

function inspector(era) {
  return async (url, token) => {
    const bin = "@modelcontextprotocol/inspector/" + binOf("@modelcontextprotocol/inspector");
    const ask = (...args) =>
      output(bin, [
        "--cli",
        url,
        "--transport",
        "http",
        "--protocol-era",
        era,
        "--header",
        `Authorization: Bearer ${token}`,
        ...args,
      ]);
    const call = (name, args) =>
      ask("--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args));
    return {
      list: await ask("--method", "tools/list"),
      allowed: await call("files__read_text_file", READ),
      denied: await call("files__write_file", WRITE),
    };
  };
}

async function mcporter(url, token) {
  const bin = "mcporter/" + binOf("mcporter");
  const server = ["--http-url", url, "--allow-http", "--header", `Authorization=Bearer ${token}`, "--name", "callgate"];
  const call = (name, args) =>
    output(bin, ["call", ...server, "--tool", name, "--args", JSON.stringify(args), "--output", "raw"]);
  return {
    list: await output(bin, ["list", ...server]),
    allowed: await call("files__read_text_file", READ),
    denied: await call("files__write_file", WRITE),
  };
}

async function aiSdk(url, token) {
  const { createMCPClient } = await import("@ai-sdk/mcp");
  const client = await createMCPClient({
    transport: { type: "http", url, headers: { Authorization: `Bearer ${token}` } },
  });
  const tools = await client.tools();
  const call = async (name, args) => JSON.stringify(await tools[name].execute(args, { toolCallId: "1", messages: [] }));
  const seen = {
    list: Object.keys(tools).join(" "),
    allowed: await call("files__read_text_file", READ),
    denied: await call("files__write_file", WRITE),
  };
  await client.close();
  return seen;
}

async function langchain(url, token) {
  const { MultiServerMCPClient } = await import("@langchain/mcp-adapters");
  const client = new MultiServerMCPClient({
    mcpServers: { callgate: { transport: "http", url, headers: { Authorization: `Bearer ${token}` } } },
  });
  const tools = await client.getTools();
  const call = async (name, args) => {
    try {
      return JSON.stringify(await tools.find((t) => t.name === name).invoke(args));
    } catch (error) {
      return error.message;
    }
  };
  const seen = {
    list: tools.map((t) => t.name).join(" "),
    allowed: await call("files__read_text_file", READ),
    denied: await call("files__write_file", WRITE),
  };
  await client.close();
  return seen;
}

async function openaiAgents(url, token) {
  const { MCPServerStreamableHttp } = await import("@openai/agents");
  const server = new MCPServerStreamableHttp({
    url,
    name: "callgate",
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  });
  await server.connect();
  const tools = await server.listTools();
  const call = async (name, args) => JSON.stringify(await server.callTool(name, args));
  const seen = {
    list: tools.map((t) => t.name).join(" "),
    allowed: await call("files__read_text_file", READ),
    denied: await call("files__write_file", WRITE),
  };
  await server.close();
  return seen;
}

function packageOf(name) {
  return JSON.parse(readFileSync(join(HERE, "node_modules", name, "package.json"), "utf8"));
}

function binOf(name) {
  const { bin } = packageOf(name);
  return typeof bin === "string" ? bin : Object.values(bin)[0];
}

const CLIENTS = [
  ["MCP inspector, legacy", "@modelcontextprotocol/inspector", inspector("legacy")],
  ["MCP inspector, modern", "@modelcontextprotocol/inspector", inspector("modern")],
  ["mcporter", "mcporter", mcporter],
  ["AI SDK", "@ai-sdk/mcp", aiSdk],
  ["LangChain adapters", "@langchain/mcp-adapters", langchain],
  ["OpenAI agents", "@openai/agents", openaiAgents],
];

const data = mkdtempSync(join(tmpdir(), "callgate-clients-"));
const broker = spawn(process.execPath, [CLI, "start", "--data", data, "--port", "0"], {
  stdio: ["ignore", "pipe", "ignore"],
});
let failed = 0;
try {
  const printed = [];
  for await (const line of createInterface({ input: broker.stdout })) {
    printed.push(line);
    if (line.includes("Ctrl-C stops it")) break;
  }
  const url = /http:\/\/\S+\/mcp/.exec(printed.join("\n"))[0];
  const token = printed.find((line) => line.startsWith("eyJ"));
  for (const [title, name, use] of CLIENTS) {
    let verdicts;
    try {
      const seen = await use(url, token);
      verdicts = {
        list: /files__read_text_file/.test(seen.list) && !/files__move_file/.test(seen.list),
        allowed: /The example agent works in this folder/.test(seen.allowed),
        denied: /write-only-notes/.test(seen.denied) && !/Successfully/.test(seen.denied),
      };
      for (const [what, good] of Object.entries(verdicts))
        if (!good) console.error(`${title}, ${what}: ${seen[what].slice(0, 500)}`);
    } catch (error) {
      console.error(`${title}: ${error.stack}`);
      verdicts = { list: false, allowed: false, denied: false };
    }
    const ok = Object.values(verdicts).every(Boolean);
    if (!ok) failed++;
    const marks = Object.entries(verdicts).map(([what, good]) => `${what} ${good ? "ok" : "FAILED"}`);
    console.log(`${title.padEnd(24)}${packageOf(name).version.padEnd(10)}${marks.join(", ")}`);
  }
} finally {
  broker.kill("SIGTERM");
  await new Promise((resolve) => broker.once("close", resolve));
  rmSync(data, { recursive: true, force: true });
}
console.log(`${CLIENTS.length - failed} passed, ${failed} failed`);
process.exit(failed > 0 ? 1 : 0);
