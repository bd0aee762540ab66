import { StringDecoder } from "node:string_decoder";
import { parseJson, stringifyJson } from "@callgate/core";
import spawn from "cross-spawn";
import type { Logger } from "pino";
import { isMessage, type Message } from "./message.ts";
import type { Wire, WireEvents } from "./wire.ts";

/** How to start a server as a child process. */
export interface StdioTarget {
  readonly command: string;
  readonly args: readonly string[];
  /** The child's whole environment. MUST hold only what the configuration names, and what the system needs to start it. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

/** A message longer than this ends the connection. */
const MAX_LINE = 64 * 1024 * 1024;

/** Milliseconds between closing stdin, SIGTERM and SIGKILL (MCP, stdio shutdown). */
const GRACE_MS = 1500;

/** Starts a child process and speaks MCP's stdio transport with it. Its stderr goes to the log, line by line. */
export async function openStdioWire(target: StdioTarget, events: WireEvents, log: Logger): Promise<Wire> {
  const child = spawn(target.command, [...target.args], {
    env: { ...target.env },
    cwd: target.cwd,
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
    // Its own group: launchers such as npx start the server as a grandchild, which must end with it.
    detached: process.platform !== "win32",
  });
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw new Error("the child process has no pipes");
  const signal = (name: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined && process.platform !== "win32") process.kill(-child.pid, name);
      else child.kill(name);
    } catch {
      // Already gone.
    }
  };

  let closed = false;
  const gone = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const fail = (error?: Error): void => {
    if (closed) return;
    closed = true;
    signal("SIGKILL");
    events.onClose(error);
  };
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  child.on("error", fail);
  child.once("exit", (code, by) => {
    // What the child wrote before it ended is still in the pipe: `close` comes after it.
    child.once("close", () => fail(new Error(`the server exited ${by ? `on ${by}` : `with status ${code}`}`)));
  });
  stdin.on("error", () => {});

  const decoder = new StringDecoder("utf8");
  let pending = "";
  stdout.on("data", (chunk: Buffer) => {
    pending += decoder.write(chunk);
    let start = 0;
    for (let end = pending.indexOf("\n", start); end >= 0; end = pending.indexOf("\n", start)) {
      receive(pending.slice(start, end));
      start = end + 1;
    }
    if (start > 0) pending = pending.slice(start);
    if (pending.length > MAX_LINE) fail(new Error("the server sent a message over 64 MiB"));
  });
  let errors = "";
  stderr.on("data", (chunk: Buffer) => {
    const lines = (errors + chunk.toString("utf8")).split("\n");
    errors = (lines.pop() ?? "").slice(-2000);
    for (const line of lines) if (line.trim()) log.debug({ stderr: line.slice(0, 2000) }, "the server wrote to stderr");
  });

  function receive(line: string): void {
    const text = line.trim();
    if (text === "") return;
    let message: unknown;
    try {
      message = parseJson(text);
    } catch {
      log.warn({ line: text.slice(0, 200) }, "the server wrote a line to stdout that is not JSON");
      return;
    }
    if (!isMessage(message)) return;
    if (message.method === undefined) {
      if (message.id !== undefined) events.onReply(message.id, { message, text });
    } else events.onMessage(message, undefined);
  }
  const write = (message: Message): void => {
    if (!closed) stdin.write(`${stringifyJson(message)}\n`);
  };

  return {
    request: write,
    send: write,
    abandon: () => false,
    negotiated() {},
    async close() {
      closed = true;
      stdin.end();
      const terminate = setTimeout(() => signal("SIGTERM"), GRACE_MS);
      const kill = setTimeout(() => signal("SIGKILL"), 2 * GRACE_MS);
      await gone;
      clearTimeout(terminate);
      clearTimeout(kill);
      // What the server started and left behind is still in its group.
      signal("SIGKILL");
    },
  };
}
