/**
 * The upstream over HTTP, in a process of its own: `node upstream.ts`. Prints `ready <url>`. Speaks 2025-11-25 with
 * sessions and 2026-07-28 without; answers JSON, never a stream. `GET /calls` says how many tool calls it has run.
 */
import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerOf } from "./tool.ts";

const sessions = new Set<string>();
let calls = 0;

function send(response: ServerResponse, status: number, body: object | undefined, session?: string): void {
  const text = body === undefined ? "" : JSON.stringify(body);
  const headers: Record<string, string | number> = { "content-length": Buffer.byteLength(text) };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (session !== undefined) headers["mcp-session-id"] = session;
  response.writeHead(status, headers).end(text);
}

function post(request: IncomingMessage, response: ServerResponse, text: string): void {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return send(response, 400, { jsonrpc: "2.0", id: null, error: { code: -32700, message: "not JSON" } });
  }
  const answer = answerOf(message);
  if (answer?.opens) {
    const session = randomUUID();
    sessions.add(session);
    return send(response, 200, answer.body, session);
  }
  // A notification's era cannot be told from its answer: it needs a session unless it names a revision of its own.
  const needsSession = answer ? !answer.modern : request.headers["mcp-protocol-version"] !== "2026-07-28";
  const session = request.headers["mcp-session-id"];
  if (needsSession && (typeof session !== "string" || !sessions.has(session))) {
    const status = session === undefined ? 400 : 404;
    return send(response, status, { jsonrpc: "2.0", id: null, error: { code: -32000, message: "no such session" } });
  }
  if (answer === undefined) return send(response, 202, undefined);
  if (answer.called) calls++;
  send(response, 200, answer.body);
}

const server = createServer((request, response) => {
  if (request.method === "GET" && request.url === "/calls") return send(response, 200, { calls });
  if (request.method === "DELETE") {
    sessions.delete(String(request.headers["mcp-session-id"]));
    return send(response, 200, undefined);
  }
  if (request.method !== "POST") return send(response, 405, undefined);
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const whole = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    post(request, response, whole.toString("utf8"));
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => {
  console.log(`ready http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
});
// The bench holds this pipe open: an upstream whose bench was killed ends too.
process.stdin.resume().on("end", () => process.exit(0));
