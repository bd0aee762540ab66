import { spawn } from "node:child_process";
import { appendFileSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import type { ServerNotification, ServerRequest } from "@modelcontextprotocol/sdk/types.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";

export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** A tool of the odd server, as it is listed and what it does. */
export interface OddTool {
  readonly name: string;
  description: string;
  readonly inputSchema: { readonly type: "object"; readonly [key: string]: unknown };
  readonly outputSchema?: { readonly type: "object"; readonly [key: string]: unknown };
  run(args: Record<string, unknown>, extra: Extra, server: Server): Promise<object> | object;
}

const NOTHING = { type: "object", properties: {} } as const;
const text = (value: string) => ({ content: [{ type: "text", text: value }] });
const string = (name: string) =>
  ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] }) as const;
const number = (name: string) =>
  ({ type: "object", properties: { [name]: { type: "number" } }, required: [name] }) as const;

/** The line that every run of a tool leaves in the file `COUNTER`, so that a test sees what really ran, and in which process. */
function leaveTrace(name: string): void {
  const file = process.env["COUNTER"];
  if (file !== undefined) appendFileSync(file, `${name} ${process.pid}\n`);
}

let turns = 0;

export const TOOLS: OddTool[] = [
  {
    name: "echo",
    description: "Gives the text back",
    inputSchema: string("text"),
    run: ({ text: t }) => text(`echo: ${String(t)}`),
  },
  {
    name: "same",
    description: "Gives the same whatever it is asked",
    inputSchema: string("text"),
    run: () => text("always the same"),
  },
  {
    name: "turn",
    description: "Gives something new on every call",
    inputSchema: string("text"),
    run: () => text(`turn ${++turns}`),
  },
  {
    name: "pid",
    description: "Says in which process it runs",
    inputSchema: NOTHING,
    run: () => text(String(process.pid)),
  },
  {
    name: "slow",
    description: "Takes its time",
    inputSchema: number("ms"),
    async run({ ms }, { signal }) {
      await delay(Number(ms), undefined, { signal }).catch(() => {});
      return text(`waited ${String(ms)} ms`);
    },
  },
  {
    name: "big",
    description: "Gives a long text",
    inputSchema: number("bytes"),
    run: ({ bytes }) => text("x".repeat(Number(bytes))),
  },
  {
    name: "forecast",
    description: "Gives structured content, which may not fit its schema",
    inputSchema: { type: "object", properties: { celsius: {} } },
    outputSchema: { type: "object", properties: { celsius: { type: "number" } }, required: ["celsius"] },
    run: ({ celsius }) => ({ ...text(JSON.stringify({ celsius })), structuredContent: { celsius } }),
  },
  {
    name: "place",
    description: "Takes arguments with a strict schema",
    inputSchema: {
      type: "object",
      properties: {
        city: { type: "string", minLength: 1, maxLength: 20 },
        kind: { enum: ["town", "village"] },
        at: {
          type: "object",
          properties: { lat: { type: "number", minimum: -90, maximum: 90 } },
          required: ["lat"],
          additionalProperties: false,
        },
      },
      required: ["city"],
      additionalProperties: false,
    },
    run: (args) => text(JSON.stringify(args)),
  },
  { name: "die", description: "Ends its process in mid-call", inputSchema: NOTHING, run: () => process.exit(7) },
  {
    name: "ask",
    description: "Asks the person behind the client",
    inputSchema: string("question"),
    async run({ question }, extra) {
      const answer = await extra.sendRequest(
        {
          method: "elicitation/create",
          params: {
            message: String(question),
            requestedSchema: { type: "object", properties: { answer: { type: "string" } }, required: ["answer"] },
          },
        },
        ElicitResultSchema,
      );
      return text(`${String(question)} -> ${JSON.stringify(answer.content ?? answer.action)}`);
    },
  },
  {
    name: "sample",
    description: "Asks the client's model",
    inputSchema: string("prompt"),
    async run({ prompt }, _, server) {
      const answer = await server.createMessage({
        messages: [{ role: "user", content: { type: "text", text: String(prompt) } }],
        maxTokens: 5,
      });
      return text(`${String(prompt)} -> ${JSON.stringify(answer.content)}`);
    },
  },
  {
    name: "chatter",
    description: "Logs, reports progress and announces an update, then answers",
    inputSchema: string("word"),
    async run({ word }, extra, server) {
      const progressToken = extra._meta?.progressToken;
      for (let progress = 1; progress <= 3; progress++) {
        await server.sendLoggingMessage({ level: "info", data: `${String(word)} ${progress}` });
        await server.sendResourceUpdated({ uri: `odd://${String(word)}` });
        if (progressToken !== undefined)
          await extra.sendNotification({
            method: "notifications/progress",
            params: { progressToken, progress, total: 3, message: String(word) },
          });
        await delay(5);
      }
      return text(`chattered ${String(word)}`);
    },
  },
  {
    name: "redefine",
    description: "Changes the description of `echo`, and says so",
    inputSchema: string("description"),
    async run({ description }, _, server) {
      const echo = TOOLS.find((t) => t.name === "echo");
      if (echo) echo.description = String(description);
      await server.sendToolListChanged();
      return text("redefined");
    },
  },
  {
    name: "breed",
    description: "Starts a child of its own that outlives the call",
    inputSchema: NOTHING,
    run() {
      const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
      // So that the server itself ends as soon as its input does, and leaves the child to whoever cares.
      child.unref();
      return text(String(child.pid));
    },
  },
];

/** Runs a tool, leaving its trace before anything else. */
export async function runTool(
  name: string,
  args: Record<string, unknown>,
  extra: Extra,
  server: Server,
): Promise<object> {
  const tool = TOOLS.find((t) => t.name === name);
  if (!tool) throw new Error(`no such tool: ${name}`);
  leaveTrace(name);
  return await tool.run(args, extra, server);
}

/** The names of the tools that ran, from the file that `COUNTER` named. */
export function tracesIn(file: string): { name: string; pid: number }[] {
  let lines: string[];
  try {
    lines = readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
  return lines.filter(Boolean).map((line) => {
    const [name = "", pid = "0"] = line.split(" ");
    return { name, pid: Number(pid) };
  });
}
