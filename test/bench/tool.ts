import { isObject } from "@callgate/core";

/** The one tool that is measured: cheap to run, so that what is around it shows. */
export const ECHO = {
  name: "echo",
  title: "Echo",
  description: "Answers with the text it was given, and with the number if there was one.",
  inputSchema: {
    type: "object",
    properties: {
      text: { type: "string", description: "What to say back.", minLength: 1, maxLength: 4096 },
      n: { type: "integer", description: "A number to say back.", minimum: 0, maximum: 1_000_000 },
    },
    required: ["text"],
    additionalProperties: false,
  },
  annotations: { readOnlyHint: true, openWorldHint: false },
} as const;

/** What `echo` says. The load generator compares every answer with this. */
export function echoText(text: string, n: number | undefined): string {
  return n === undefined ? text : `${n} ${text}`;
}

const SERVER = { name: "bench-upstream", version: "1.0.0" };
const PROTOCOL_VERSION = "io.modelcontextprotocol/protocolVersion";
export const LEGACY = "2025-11-25";
export const MODERN = "2026-07-28";

/** A JSON-RPC answer, and what an HTTP face needs to know beside it. */
export interface Answer {
  readonly body: object;
  /** True for an `initialize`, which opens a session. */
  readonly opens: boolean;
  /** True for a tool call that was run. */
  readonly called: boolean;
  readonly modern: boolean;
}

function failure(id: unknown, code: number, message: string): object {
  return { jsonrpc: "2.0", id: id ?? null, error: { code, message } };
}

/** The answer of a small MCP server, in either era, to one parsed message; undefined for a notification. */
export function answerOf(message: unknown): Answer | undefined {
  if (!isObject(message) || typeof message.method !== "string") {
    return { body: failure(undefined, -32600, "not a request"), opens: false, called: false, modern: false };
  }
  if (message.id === undefined) return undefined;
  const params = isObject(message.params) ? message.params : {};
  const modern = isObject(params._meta) && params._meta[PROTOCOL_VERSION] === MODERN;
  // What every 2026-07-28 result carries; a 2025-11-25 result has none of it.
  const stamp = modern ? { resultType: "complete", _meta: { "io.modelcontextprotocol/serverInfo": SERVER } } : {};
  const cache = modern ? { ttlMs: 0, cacheScope: "private" } : {};
  const done = (result: object, opens = false, called = false): Answer => ({
    body: { jsonrpc: "2.0", id: message.id, result: { ...result, ...stamp } },
    opens,
    called,
    modern,
  });
  switch (message.method) {
    case "tools/call": {
      const args = isObject(params.arguments) ? params.arguments : {};
      if (params.name !== ECHO.name || typeof args.text !== "string") {
        return {
          body: failure(message.id, -32602, "unknown tool or bad arguments"),
          opens: false,
          called: false,
          modern,
        };
      }
      const text = echoText(args.text, typeof args.n === "number" ? args.n : undefined);
      return done({ content: [{ type: "text", text }] }, false, true);
    }
    case "tools/list":
      return done({ tools: [ECHO], ...cache });
    case "ping":
      return done({});
    case "server/discover":
      if (modern) return done({ supportedVersions: [MODERN], capabilities: { tools: {} }, ...cache });
      break;
    case "initialize":
      if (!modern) return done({ protocolVersion: LEGACY, capabilities: { tools: {} }, serverInfo: SERVER }, true);
      break;
  }
  return { body: failure(message.id, -32601, `no method \`${message.method}\``), opens: false, called: false, modern };
}
